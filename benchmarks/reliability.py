"""Writes docs/reliability.md: ``python -m benchmarks.reliability [JSON]``.

It takes what the proofs have noted in build/reliability.json (tests/faults/report.py), and what each of
them shows from its own first words.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .performance import row
from .servers import ROOT

PROOFS = {
    "tests/faults/test_mixed_operations.py": "Nothing lost, nothing doubled",
    "tests/faults/test_three_nodes.py": "Three nodes",
    "tests/faults/test_throng.py": "A throng",
    "tests/feeds/test_storm.py": "A feed in a storm",
    "tests/faults/test_fuzz_answers.py": "Fuzzed answers",
    "tests/faults/test_fuzz_parsers.py": "Fuzzed parsers",
    "tests/faults/test_hostile_framing.py": "Broken answers",
    "tests/faults/test_hostile_shapes.py": "Odd answers",
    "tests/faults/test_hostile_sizes.py": "Huge answers",
    "tests/faults/test_hostile_redirects.py": "Redirects",
    "tests/faults/test_hostile_clients.py": "Broken answers, through other clients",
    "tests/faults/test_tls_failures.py": "TLS",
    "tests/faults/test_secrets.py": "Secrets",
    "tests/faults/test_echoes.py": "Secrets, told again",
    "tests/injection/test_paths.py": "Names in paths",
    "tests/injection/test_server_paths.py": "Names in paths of the server",
    "tests/injection/test_queries.py": "Values in queries",
    "tests/injection/test_headers.py": "Values in headers",
    "tests/injection/test_urls.py": "Urls",
    "tests/injection/test_files.py": "Files and cursors",
    "tests/injection/test_clients.py": "Names and values, through other clients",
}

INTRODUCTION = """\
# Reliability

What is proved by faults, load and attack, and what it came to when `make reliability` ran last. Most
faults come from a proxy between the client and a real server, which resets, cuts, stalls, delays and
loses at random, as a seed has it; answers that no server gives come from servers with a script.
[Deadlines and retries](guide/deadlines.md) tells what becomes of a call that meets a fault.
"""

AGAIN = """\
## Again

```sh
make reliability    # all of this, and this page; with COUCHDB_URL on that server, too
make soak           # twenty times as much, by chance that is new in each run; SOAK=100 for more
python -m pytest tests/faults/test_throng.py    # one proof
```

A proof that fails says by which `CORDUROY_SOAK` and `CORDUROY_SEED` it does so again.
"""


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/reliability.json"
    known = json.loads(source.read_text())
    failed = {
        proof
        for of_server in known.values()
        for proof, did in of_server["proofs"].items()
        if did.get("failed")
    }
    if failed:
        sys.exit(f"{source} has proofs that failed: {', '.join(sorted(failed))}")
    (ROOT / "docs/reliability.md").write_text("\n".join(page(known)))


def page(known: Mapping[str, Any]) -> Iterator[str]:
    yield INTRODUCTION
    for server, of_server in known.items():
        yield f"- {server}: {made(**of_server['made'])}"
    yield ""
    servers = columns(known)
    yield row(["proof", *servers])
    yield row(["---", *("---" for _ in servers)])
    for proof, title in PROOFS.items():
        of_servers = [proofs.get(proof, {}) for proofs in servers.values()]
        if any(of_servers):
            yield row([f"**{title}**<br>{shown(proof)}<br>`{proof}`", *map(cell, of_servers)])
    yield ""
    yield AGAIN


def columns(known: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the proofs did to each server; what they did to several of a kind is told with that kind."""
    servers: dict[str, dict[str, Any]] = {}
    for server, of_server in known.items():
        kind, _, several = server.partition(", ")
        for proof, did in of_server["proofs"].items():
            of_kind = servers.setdefault(kind, {}).setdefault(proof, {"figures": {}})
            of_kind |= {name: value for name, value in did.items() if name != "figures"}
            for what, figures in did.get("figures", {}).items():
                of_kind["figures"][f"{what}, {several}" if several else what] = figures
    return servers


def made(date: str, scale: int, corduroy: str, python: str, platform: str, cpus: int) -> str:
    """When it was recorded, and on what."""
    times = f", {scale} times as much as usual" if scale > 1 else ""
    return f"{date}{times}; corduroy {corduroy}, Python {python}, {cpus} CPUs, {platform}."


def shown(proof: str) -> str:
    """What a proof shows: its module's own words."""
    words = ast.get_docstring(ast.parse((ROOT / proof).read_text()))
    assert words is not None, f"{proof} does not say what it shows"
    return " ".join(words.split())


def cell(did: Mapping[str, Any]) -> str:
    """What a proof did on one server."""
    if not did:
        return "-"
    lines = [
        f"{what.replace('_', ' ')}: {told(**figures)}" for what, figures in did["figures"].items()
    ]
    if "passed" in did:
        tests = "1 test" if did["passed"] == 1 else f"{did['passed']:,} tests"
        lines.append(f"{tests}, {did['seconds']:,.0f} s")
    return "<br>".join(lines)


def told(seed: int | None = None, seconds: float | None = None, **figures: float | str) -> str:
    """Figures in a sentence's order."""
    words = [f"{number(value)} {name.replace('_', ' ')}" for name, value in figures.items()]
    if seconds is not None:
        words.append(f"{seconds:,.1f} s")
    if seed is not None:
        words.append(f"seed {seed}")
    return ", ".join(words)


def number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"


if __name__ == "__main__":
    main()
