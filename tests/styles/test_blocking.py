"""Blocking: plain values, Ctrl-C, threads, forks."""

from __future__ import annotations

import asyncio
import concurrent.futures
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from corduroy import Conflict, Couch, Database, NotFound, relax

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_gives_values_and_raises_where_it_is_called(db: Database[Any]) -> None:
    db.save({"_id": "x", "n": 1})
    assert db.get("x")["n"] == 1
    with pytest.raises(NotFound):
        db.get("nowhere")


def test_ctrl_c_ends_it_cleanly_and_the_next_call_works(mute: Any, db: Database[Any]) -> None:
    def press() -> None:
        mute.asked.wait(10)
        # As a terminal does it; which thread of several hears of os.kill is anybody's guess.
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt):
        Couch(mute.url).info()
    assert mute.gone.wait(10), "the connection was left open"
    assert db.info()["doc_count"] == 0


def test_ctrl_c_ends_a_call_on_a_connection_that_was_at_hand(db: Database[Any]) -> None:
    since = db.changes()["last_seq"]
    main = threading.main_thread().ident
    threading.Timer(0.3, signal.pthread_kill, [main, signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        db.changes(feed="longpoll", timeout=30, since=since)
    assert db.info()["doc_count"] == 0


# Ctrl-C may come before a call has begun, too.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_may_come_at_any_moment(db: Database[Any]) -> None:
    """Amid the parsing of an answer, say, or the loop's own work."""
    moments = random.Random(7)
    pressing = False

    def press(number: int, frame: Any) -> None:
        if pressing:
            signal.raise_signal(signal.SIGINT)

    def ask_again_and_again() -> None:
        signal.setitimer(signal.ITIMER_REAL, moments.uniform(0.0001, 0.01))
        while True:
            db.info()

    before = signal.signal(signal.SIGALRM, press)
    try:
        for _ in range(300):
            pressing = True
            with pytest.raises(KeyboardInterrupt):
                ask_again_and_again()
            pressing = False
            assert db.info()["doc_count"] == 0
    finally:
        signal.signal(signal.SIGALRM, before)


def test_ctrl_c_stays_the_programs_own_where_it_has_a_handler(db: Database[Any]) -> None:
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        threading.Timer(0.1, signal.pthread_kill, [threading.main_thread().ident, 2]).start()
        since = db.changes()["last_seq"]
        db.changes(feed="longpoll", timeout=0.5, since=since)
        assert pressed == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_code_that_a_call_runs_is_in_the_same_script(db: Database[Any]) -> None:
    """A merge does not see the loop on which the call that asks it happens to run."""
    db.save([{"_id": "base", "n": 7}, {"_id": "x"}])
    db.save({"_id": "x"}, merge=lambda local, server: {**server, "n": db.get("base").n})
    assert db.get("x").n == 7


def test_a_relaxed_generator_in_such_code_blocks_too(db: Database[Any]) -> None:
    db.save([{"_id": "base", "n": 7}, {"_id": "x"}])

    @relax
    def found() -> Iterator[Any]:
        return (yield db.get("base"))["n"]

    db.save({"_id": "x"}, merge=lambda local, server: {**server, "n": found()})
    assert db.get("x").n == 7


def test_a_signal_handler_that_comes_in_a_call_can_make_calls(db: Database[Any], mute: Any) -> None:
    saved: list[Any] = []

    def on_alarm(*_: Any) -> None:
        saved.append(db.save({"_id": "alarm"}))
        raise ZeroDivisionError

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(ZeroDivisionError):
            Couch(mute.url).info()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert db.get("alarm")["_rev"] == saved[0].resolved["alarm"]["_rev"]


def test_threads_come_and_go_on_one_object(db: Database[Any]) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            db.info()
        except BaseException as error:
            failures.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(8):
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failures == []


def test_one_object_is_shared_by_threads(db: Database[Any]) -> None:
    def work(thread: int) -> list[int]:
        db.save([{"_id": f"{thread}-{n}", "n": n} for n in range(20)])
        return [db.get(f"{thread}-{n}")["n"] for n in range(20)]

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        results = list(threads.map(work, range(8)))
    assert results == [list(range(20))] * 8
    assert len(db) == 160


def test_a_thread_that_ends_takes_its_connections_with_it(run_script: Run) -> None:
    done = run_script("""
import gc, os, threading
from corduroy import Couch
couch = Couch()
couch.version()
before = len(os.listdir("/proc/self/fd"))
for _ in range(10):
    thread = threading.Thread(target=couch.version)
    thread.start()
    thread.join()
gc.collect()
print(len(os.listdir("/proc/self/fd")) - before)
""")
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_it_does_so_whatever_was_raised_in_it_and_is_kept(db: Database[Any], proxy: Any) -> None:
    db.save({"_id": "a"})
    kept = []

    def conflict() -> None:
        with Couch(proxy.url) as couch, pytest.raises(Conflict) as caught:
            couch.database(db.name).save({"_id": "a"})
        kept.append(caught.value)
        couch.database(db.name).get("a")

    thread = threading.Thread(target=conflict)
    thread.start()
    thread.join()
    proxy.wait_until(lambda: not proxy.connections, 4)  # Node ends those that are idle after 5 s
    assert kept


def test_a_forked_child_never_writes_to_its_parents_sockets(run_script: Run) -> None:
    done = run_script("""
import os, sys, uuid
from corduroy import Couch
couch = Couch()
couch.version()  # a connection stands when the process forks
name = f"fork-{uuid.uuid4().hex}"
couch.create(name)
db = couch.database(name)
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        for n in range(25):
            db.save({"child": child, "n": n})  # ids from uuids that the parent may have cached
        os._exit(0)
    children.append(pid)
for n in range(25):
    db.save({"child": "parent", "n": n})
states = [os.waitpid(pid, 0)[1] for pid in children]
print(states, len(db))
couch.delete(name)
""")
    assert (done.stdout, done.stderr) == ("[0, 0, 0, 0] 125\n", "")


def test_a_child_that_exits_leaves_its_parents_connections_alone(run_script: Run) -> None:
    done = run_script("""
import os, sys
from corduroy import Couch
couch = Couch()
couch.version()
pid = os.fork()
if pid == 0:
    couch.version()
    couch.close()
    sys.exit(0)  # with all that runs at exit
print(os.waitpid(pid, 0)[1], couch.version() == couch.version())
""")
    assert done.stdout == "0 True\n"


def test_nor_are_those_of_other_threads_touched(run_script: Run) -> None:
    done = run_script("""
import os, threading
from corduroy import Couch
couch = Couch(timeout=5, retries=0)
forked, called = threading.Event(), threading.Event()
def call():
    couch.version()  # this thread's loop and connection stand still when the process forks
    called.set()
    forked.wait()
    couch.version()
thread = threading.Thread(target=call)
thread.start()
called.wait()
pid = os.fork()
if pid == 0:
    os._exit(0)
print(os.waitpid(pid, 0)[1])
forked.set()
thread.join()
""")
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_child_that_leaves_a_feed_or_stream_by_exiting_leaves_it_to_its_parent(
    run_script: Run,
) -> None:
    done = run_script("""
import os, sys, threading, uuid
from corduroy import Couch
couch = Couch()
db = couch.create(f"fork-{uuid.uuid4().hex}")
db.save([{"_id": id} for id in "abc"])
def fork():
    pid = os.fork()
    if pid == 0:
        sys.exit(0)  # which leaves the block that this is called in
    print(os.waitpid(pid, 0)[1], flush=True)
for doc in db.docs():
    if doc["_id"] == "b":
        fork()
for change in db.changes(feed="continuous"):
    if change.id == "c":
        fork()
        threading.Thread(target=db.save, args=({"_id": "late"},)).start()
    if change.id == "late":
        break
print(doc["_id"], change.id)
couch.delete(db.name)
""")
    assert (done.stdout, done.stderr) == ("0\n0\nc late\n", "")


def test_a_child_that_leaves_a_writer_leaves_what_is_under_way_to_its_parent(
    run_script: Run,
) -> None:
    done = run_script("""
import os, sys, uuid
from corduroy import Couch
couch = Couch()
db = couch.create(f"fork-{uuid.uuid4().hex}")
with db.writer(count=10, in_flight=2) as writer:
    for n in range(25):
        writer.put({"n": n})
    pid = os.fork()
    if pid == 0:
        sys.exit(0)
    print(os.waitpid(pid, 0)[1])
    pid = os.fork()
    if pid == 0:
        try:
            writer.close()
        except RuntimeError as error:
            os._exit("process" in str(error))
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(writer.written, len(db))
couch.delete(db.name)
""")
    assert (done.stdout, done.stderr) == ("0\n1\n25 25\n", "")


def test_a_loop_of_the_threads_own_is_not_touched(db: Database[Any]) -> None:
    mine = asyncio.new_event_loop()
    asyncio.set_event_loop(mine)
    try:
        db.info()
        assert asyncio.get_event_loop() is mine
        assert not mine.is_closed()
    finally:
        asyncio.set_event_loop(None)
        mine.close()
