"""However large an attachment is: what the client's process takes stays that of an idle one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.servers import ROOT, asyncio_server

SIZE = 200_000_000
ROOM = 16  # MB

SCRIPT = """
import asyncio, os, sys
from pathlib import Path
from benchmarks.meter import peak_mb, resident_mb
from corduroy import Couch

url, size, path = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
db = Couch(url).database("db")
db.head_attachment("doc", str(size))
idle = resident_mb()
{work}
print(peak_mb() - idle)
"""

WAYS = {
    "up from a path": "db.put_attachment({'_id': 'doc'}, path, str(size))",
    "up from an open file": "db.put_attachment({'_id': 'doc'}, path.open('rb'), str(size))",
    "up from an iterable": (
        "db.put_attachment({'_id': 'doc'}, (bytes(10_000) for _ in range(size // 10_000)), str(size))"
    ),
    "up under a loop": """
async def pieces():
    for _ in range(size // 100_000):
        yield bytes(100_000)

async def main():
    await db.put_attachment({'_id': 'doc'}, pieces(), str(size))

asyncio.run(main())
""",
    "up with its document": "db.save({'_id': 'doc', '_attachments': {'a': path, 'b': path}})",
    "down to a path": "assert db.get_attachment('doc', str(size), to=os.devnull) == size",
    "down by for": "assert sum(map(len, db.stream_attachment('doc', str(size)))) == size",
    "down under a loop": """
async def main():
    assert sum([len(piece) async for piece in db.stream_attachment('doc', str(size))]) == size

asyncio.run(main())
""",
    "down with its document": "db.get_with_attachments(str(size), to=lambda name: os.devnull)",
}


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A server of attachments of any size, and a file that is as large."""
    path = tmp_path_factory.mktemp("large") / "file"
    with path.open("wb") as file:
        file.truncate(SIZE)
    with asyncio_server("attachment_server") as (_, port):
        yield f"http://127.0.0.1:{port}", path


def peak_above_idle(large, work):
    url, path = large
    command = [sys.executable, "-c", SCRIPT.format(work=work), url, str(SIZE), str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.parametrize("way", WAYS)
def test_memory_does_not_grow_with_what_is_attached(large, way):
    assert peak_above_idle(large, WAYS[way]) < ROOM


def test_what_is_held_would_show(large):
    assert peak_above_idle(large, "content = db.get_attachment('doc', str(size))") > 100
