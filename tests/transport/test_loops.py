"""Clients go away with their loop, however it ends; no warning tells of it.

Each story is a program of its own, run with Python's development mode, all warnings being errors.
"""

import os
import subprocess
import sys
import textwrap

import pytest

PRELUDE = """
import asyncio, gc, logging, socket, sys, threading
import tornado.testing
from tornado.httpclient import AsyncHTTPClient
from tornado.ioloop import IOLoop
from corduroy import Couch
from corduroy.transport import KeepAliveHTTPClient

logging.getLogger("asyncio").setLevel("ERROR")  # development mode warns of slow callbacks
url = sys.argv[1]
couch = Couch(url)

async def ask():
    assert await couch.info() == {"ok": True}

async def fetch():
    assert (await KeepAliveHTTPClient().fetch(url)).code == 200

async def begin(couch, turns):
    couch.info()
    for _ in range(turns):
        await asyncio.sleep(0)

def close_amid_calls(couch, resolve=None):
    for turns in range(16):
        loop = asyncio.new_event_loop()
        loop.getaddrinfo = resolve or loop.getaddrinfo
        loop.run_until_complete(begin(couch, turns))
        loop.close()
        gc.collect()
"""

STORIES = {
    "asyncio.run": "asyncio.run(ask())",
    "asyncio.run, several times": "for _ in range(3): asyncio.run(ask())",
    "asyncio.run, with a plain client": "asyncio.run(fetch())",
    "asyncio.run, with a client that is forgotten": """
        async def forget():
            await KeepAliveHTTPClient(force_instance=True).fetch(url)
            gc.collect()
        asyncio.run(forget())
        """,
    "asyncio.run, with a closed client": """
        async def close():
            client = KeepAliveHTTPClient(force_instance=True)
            await client.fetch(url)
            client.close()
        asyncio.run(close())
        """,
    "asyncio.run, with a call nobody waits for": """
        async def leave():
            await ask()
            couch.info()
        asyncio.run(leave())
        """,
    "run_sync, then close": """
        loop = IOLoop(make_current=False)
        loop.run_sync(ask)
        loop.run_sync(fetch)
        loop.close(all_fds=True)
        """,
    "a loop that is started, stopped and never closed": """
        asyncio.set_event_loop(asyncio.new_event_loop())
        loop = IOLoop.current()
        couch.info(callback=lambda data, status: loop.stop())
        loop.start()
        """,
    "run_sync, and never closed": """
        asyncio.set_event_loop(asyncio.new_event_loop())
        IOLoop.current().run_sync(ask)
        IOLoop.current().run_sync(fetch)
        """,
    "blocking": "assert couch.info() == {'ok': True}",
    "blocking, and closed": "couch.info(); couch.close()",
    "blocking, and forgotten": "couch.info(); del couch; gc.collect()",
    "blocking, through curl, and forgotten": """
        from tornado.curl_httpclient import CurlAsyncHTTPClient
        other = Couch(url, http_client=CurlAsyncHTTPClient)
        other.info(); del other; gc.collect()
        """,
    "asyncio.run, through Tornado's simple client": """
        from tornado.simple_httpclient import SimpleAsyncHTTPClient
        other = Couch(url, http_client=SimpleAsyncHTTPClient)
        async def ask_other():
            await other.info()
        asyncio.run(ask_other())
        """,
    "blocking, in threads that end": """
        threads = [threading.Thread(target=couch.info) for _ in range(5)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """,
    "asyncio.run in threads that end": """
        threads = [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(5)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """,
    "a daemon thread that does not end": """
        done = threading.Event()
        def work():
            couch.info()
            done.set()
            threading.Event().wait()
        threading.Thread(target=work, daemon=True).start()
        done.wait()
        """,
    "a loop closed at any moment of a call": "close_amid_calls(couch)",
    "a loop closed at any moment of a call by name": """
        port = int(url.rpartition(":")[2])
        named = Couch(f"http://couch.example:{port}")
        async def resolve(*args, **options):
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))] * 2
        close_amid_calls(named, resolve)
        """,
    "a daemon thread that is amid a call": """
        silent = socket.create_server(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        silent.detach()
        asked = threading.Event()
        def work():
            threading.Timer(0.1, asked.set).start()
            Couch(f"http://127.0.0.1:{port}", timeout=0).info()
        threading.Thread(target=work, daemon=True).start()
        asked.wait()
        """,
    "a loop closed while another one runs": """
        other = asyncio.new_event_loop()
        other.run_until_complete(ask())
        async def close():
            await ask()
            other.close()
            await ask()
        asyncio.run(close())
        """,
    "a test case of Tornado's": """
        class Case(tornado.testing.AsyncTestCase):
            @tornado.testing.gen_test
            async def test(self):
                await ask()
                await fetch()
        result = tornado.testing.unittest.TestResult()
        Case("test").run(result)
        assert result.wasSuccessful(), result.errors
        """,
    "configured for the whole program": """
        AsyncHTTPClient.configure("corduroy.transport.KeepAliveHTTPClient")
        async def get():
            client = AsyncHTTPClient()
            assert type(client) is KeepAliveHTTPClient
            await client.fetch(url)
        asyncio.run(get())
        """,
    "an exception that ends the program": """
        async def fail():
            await ask()
            sys.exit(0)
        asyncio.run(fail())
        """,
}


def answer_json(peer):
    while True:
        peer.request()
        peer.answer(b'{"ok":true}')


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_nothing_is_left_behind(serve, story):
    program = PRELUDE + textwrap.dedent(story)
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program, serve(answer_json).url],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)
