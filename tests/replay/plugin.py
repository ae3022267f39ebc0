"""pytest's side of the three grounds: fixtures for tests of CouchDB 3, ``--record``, and the count."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient

from corduroy import Couch, Database, HTTPError
from tests.replay.grounds import Live, Recorded, Replayed
from tests.replay.recordings import Recording

FOLDER = Path(__file__).parent / "recorded"
_GROUND = pytest.StashKey[Live]()
_COUCHDB = pytest.StashKey[tuple[str, str] | None]()
_DONE = pytest.StashKey[set[tuple[Path, str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("replay")
    group.addoption(
        "--record",
        action="store_true",
        help="run only what CouchDB 3 alone answers, live at COUCHDB_URL, and record it anew",
    )
    group.addoption("--recordings", type=Path, default=FOLDER, help="the folder of recordings")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_COUCHDB] = _couchdb_3(os.environ.get("COUCHDB_URL"))
    config.stash[_DONE] = set()
    if config.getoption("--record") and config.stash[_COUCHDB] is None:
        raise pytest.UsageError("--record needs COUCHDB_URL, http:// and of a CouchDB 3")


def _couchdb_3(url: str | None) -> tuple[str, str] | None:
    """The url of a CouchDB 3, and its version; None if it is something else."""
    if not url:
        return None
    try:
        with Couch(url, style="blocking", timeout=10) as couch:
            said = couch.info()
    except HTTPError:  # whoever needs it will tell
        return None
    new = "couchdb" in said and int(said["version"].partition(".")[0]) >= 3
    return (url, said["version"]) if new else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--record"):
        ours = [item for item in items if "ground3" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=[item for item in items if item not in ours])
        items[:] = ours


# -- fixtures -------------------------------------------------------------------------------------


@pytest.fixture
def couchdb3(request: pytest.FixtureRequest) -> tuple[str, str] | None:
    """The url of a real CouchDB 3, and its version; None: there is none, and it is replayed."""
    return request.config.stash[_COUCHDB]


def is_recorded(request: pytest.FixtureRequest) -> bool:
    """Whether this run has recorded the test already, in its first style: the others show at once that
    it is replayed to them."""
    recording = Recording(request.config.getoption("--recordings"), request.node)
    return (recording.path, recording.name) in request.config.stash[_DONE]


@pytest.fixture
def ground3(request: pytest.FixtureRequest, couchdb3: tuple[str, str] | None) -> Iterator[Live]:
    """Where this test finds its CouchDB 3."""
    config, item = request.config, request.node
    recording = Recording(config.getoption("--recordings"), item)
    ground: Live
    if couchdb3 is None or is_recorded(request):
        found = recording.read()
        if found is None:
            pytest.fail(
                f"{recording.path} has no {recording.name}: record it by "
                "COUCHDB_URL=http://user:password@host:5984 make record, with a CouchDB 3",
                pytrace=False,
            )
        ground = Replayed(recording, *found)
    elif config.getoption("--record"):
        ground = Recorded(*couchdb3, recording)
    else:
        ground = Live(couchdb3[0])
    item.stash[_GROUND] = ground
    item.user_properties.append(("ground", ground.name))
    yield ground
    ground.close()
    if ground.kept:
        config.stash[_DONE].add((recording.path, recording.name))
    if said := ground.late():
        pytest.fail(said, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Whatever a test says of it: it fails if it has not asked what was recorded."""
    ground = pyfuncitem.stash.get(_GROUND, None)
    if ground is None:
        return (yield)
    try:
        result = yield
    except (Exception, pytest.fail.Exception):
        if said := ground.difference():
            pytest.fail(said, pytrace=False)
        raise
    if said := ground.difference() or ground.missing():
        pytest.fail(said, pytrace=False)
    ground.keep()
    return result


@pytest.fixture
def couch3(ground3: Live, http_client: type[AsyncHTTPClient] | None) -> Iterator[Couch[Any]]:
    """A CouchDB 3: the live one, or what was recorded of one."""
    with Couch(ground3.url, http_client=http_client) as server:
        yield server


@pytest.fixture
def fresh3(ground3: Live) -> Callable[[str], str]:
    """``fresh3("copy")``: a name that starts so, for a database (gone after the test), a user…,
    always the same on replay."""
    return ground3.fresh


@pytest.fixture
def offstage(ground3: Live) -> Callable[[Callable[[Couch[Any]], object]], None]:
    """``offstage(lambda couch: …)``: set up or clean up the real server, which is not recorded; on
    replay nothing is done."""
    return ground3.offstage


@pytest.fixture
def db3(
    couch3: Couch[Any],
    fresh3: Callable[[str], str],
    offstage: Callable[[Callable[[Couch[Any]], object]], None],
) -> Database[Any]:
    """A fresh database on a CouchDB 3."""
    name = fresh3("test")
    offstage(lambda couch: couch.create(name))
    return couch3.database(name)


# -- the count ------------------------------------------------------------------------------------


def pytest_runtest_setup(item: pytest.Item) -> None:
    fixtures = getattr(item, "fixturenames", ())
    if "couchdb_url" in fixtures and "ground3" not in fixtures:
        ground = "live" if os.environ.get("COUCHDB_URL") else "embedded"
        item.user_properties.append(("ground", ground))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    count = Counter(
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == "ground"
    )
    if count:
        terminalreporter.write_line(
            f"grounds: {count['embedded']} tests on the embedded server, {count['live']} live on "
            f"COUCHDB_URL, {count['replayed']} replayed"
            + (f", {count['recorded']} recorded" if count["recorded"] else "")
        )
