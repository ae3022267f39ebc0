"""The end of a writer, the block that it is used in, and what it refuses at once."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest


def numbered(count):
    return [{"_id": f"{n:05}", "n": n} for n in range(count)]


def test_leaving_by_an_exception_sends_no_more(write_in_block, db, other):
    def docs():
        yield from numbered(10)
        raise ZeroDivisionError("of mine")

    with pytest.raises(ZeroDivisionError) as raised:
        write_in_block(db, docs(), count=4)
    writer = write_in_block.writer
    assert writer.written == len(other)
    assert writer.unsent == 10 - writer.written >= 2
    assert raised.value.__notes__ == [repr(writer)]
    assert {entry["error"] for entry in writer.failures} == {"unsent"}


def test_a_cancelled_block_waits_for_nothing(gated):
    slow, requests = gated

    async def main():
        writer = slow.writer(count=2, in_flight=2)

        async def write():
            async with writer:
                for doc in numbered(10):
                    await writer.put(doc)

        task = asyncio.create_task(write())
        while not requests:  # noqa: ASYNC110  (they are met in a thread)
            await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return writer

    writer = asyncio.run(main())
    assert writer.written + writer.unknown + writer.unsent <= 10
    assert writer.unknown > 0
    assert writer._sending._flying == {}


def test_a_closed_writer_takes_no_more(write, call, db):
    writer = write(db, numbered(1))
    with pytest.raises(RuntimeError, match="this writer is closed"):
        call(writer.put, {"_id": "late"})


def test_a_writer_that_is_forgotten_says_so(db):
    writer = db.with_style("blocking").writer()
    writer.put({"_id": "a"})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del writer
        gc.collect()
    told = [str(one.message) for one in caught if "Writer" in str(one.message)]
    assert told == [f"never closed: <Writer {db.name}: 0 written>"]


def test_a_bad_document_is_refused_at_once(refused, db):
    refused(TypeError, "doc must be a dict", db.writer().put, ["a"])
    refused(ValueError, "'_id'", db.writer().put, {"_id": "_x"})
    refused(ValueError, "doc has no '_id'", db.writer().delete, {"n": 1})
    refused(ValueError, "rev", db.writer().delete, "a", "")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (ValueError, {"count": 0}),
        (ValueError, {"size": "1"}),
        (ValueError, {"in_flight": 0}),
        (ValueError, {"max_retries": -1}),
        (TypeError, {"force": 1}),
        (TypeError, {"new_edits": None}),
        (TypeError, {"merge": 1}),
        (TypeError, {"progress": "bar"}),
        (TypeError, {"on_result": asyncio.sleep}),
    ],
)
def test_bad_options_are_named(db, kind, options):
    with pytest.raises(kind, match=next(iter(options))):
        db.writer(**options)


def test_a_block_that_would_block_a_loop_is_refused(db):
    async def main():
        with pytest.raises(RuntimeError, match="async with"), db.writer():
            pass
        with pytest.raises(TypeError, match="used by `with`"):
            async with db.with_style("blocking").writer():
                pass
        with db.with_style("blocking").writer() as writer:
            writer.put({"_id": "a"})
        assert writer.written == 1

    asyncio.run(main())


def test_a_writer_belongs_to_its_loop(gated):
    db, _ = gated
    writer = db.writer(count=1)

    async def put():
        await writer.put({"n": 1})

    loop = asyncio.new_event_loop()
    loop.run_until_complete(put())
    with pytest.raises(RuntimeError, match="belongs to the event loop"):
        asyncio.run(put())

    async def close():
        await writer.close()

    loop.run_until_complete(close())
    loop.close()
    assert writer.written == 2


def test_a_writer_made_before_any_loop_is_used_under_each(db):
    writer = db.writer(count=2)

    async def put(id):
        await writer.put({"_id": id})
        await writer.flush()

    for id in "abc":
        asyncio.run(put(id))
    assert writer.written == 3


def test_the_style_future_needs_no_running_loop(db):
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(loop := runner.get_loop())
        writer = db.with_style("future").writer()
        loop.run_until_complete(writer.put({"_id": "a"}))
        loop.run_until_complete(writer.close())
    assert writer.written == 1
