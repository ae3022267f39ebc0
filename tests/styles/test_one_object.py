"""One object, made before any loop exists, in every style, on every loop, without a warning."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from typing import Any

from corduroy import Database

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_works_in_all_styles_across_several_runs(db: Database[Any]) -> None:
    async def use(n: int) -> None:
        await db.save({"_id": f"future-{n}"})
        await db.save({"_id": f"callback-{n}"}, callback=lambda *_: None)

    for n in range(3):
        db.save({"_id": f"blocking-{n}"})
        asyncio.run(use(n))
    assert sorted(db) == sorted(
        f"{style}-{n}" for style in ("blocking", "future", "callback") for n in range(3)
    )


ENDINGS = {
    "asyncio.run": "asyncio.run(use()); asyncio.run(use())",
    "a blocking script": "couch.version()",
    "IOLoop.run_sync, never closed": "IOLoop(make_current=False).run_sync(use)",
    "IOLoop closed with all its file descriptors": """
loop = IOLoop(make_current=False)
loop.run_sync(use)
loop.close(all_fds=True)""",
    "IOLoop started and stopped": """
couch.version(callback=lambda *_: IOLoop.current().stop())
IOLoop.current().start()""",
    "a loop closed by hand": """
loop = asyncio.new_event_loop()
loop.run_until_complete(use())
loop.close()""",
    "all of them": """
couch.version()
asyncio.run(use())
couch.version()
IOLoop(make_current=False).run_sync(use)""",
}


def test_leaves_no_warning_behind_however_its_loop_ends(run_script: Run) -> None:
    complaints = {}
    for ending, code in ENDINGS.items():
        done = run_script(f"""
import asyncio
from tornado.ioloop import IOLoop
from corduroy import Couch
couch = Couch()
async def use():
    await asyncio.gather(*(couch.version() for _ in range(3)))
{code}
""")
        if done.stderr or done.returncode:
            complaints[ending] = done.stderr
    assert complaints == {}
