"""``python -m benchmarks [--only NAME] [--rounds N] [--json FILE] [--server KIND]``.

Exits with 1 when a contestant failed. A bar that is missed is told, but no error: the machine
may be to blame.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from . import report
from .runner import run
from .servers import KINDS, ROOT, canned_server
from .suite import BENCHMARKS


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks.")
    parser.add_argument("--only", choices=BENCHMARKS, help="this benchmark alone")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--json", type=Path, default=ROOT / "build/bench.json", metavar="FILE")
    parser.add_argument("--server", choices=KINDS, default="auto", help="which canned server")
    asked = parser.parse_args()
    if asked.rounds < 1:
        parser.error("--rounds must be at least 1")
    return asked


def main() -> int:
    asked = arguments()
    # Ends like Ctrl-C: through the with block that ends the server.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    benchmarks = [BENCHMARKS[asked.only]] if asked.only else list(BENCHMARKS.values())
    more = [answer for benchmark in benchmarks for answer in benchmark.answers]
    with canned_server(asked.server, more) as server:
        print(f"canned server: {server.kind}", file=sys.stderr)
        outcome = run(benchmarks, asked.rounds, server)
    content = report.document(benchmarks, outcome, server.kind)
    report.write(asked.json, content)
    for benchmark in benchmarks:
        print("\n".join(report.table(benchmark, outcome.completed(benchmark))))
    for contestant, stderr in content["failures"].items():
        print(f"{contestant} failed:\n{stderr.rstrip()}\n", file=sys.stderr)
    for judged in content["bars"]:
        print(report.bar_line(judged))
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
