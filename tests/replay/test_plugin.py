"""The three grounds, in runs of pytest inside this one; the CouchDB 3 there is a pretended one."""

from __future__ import annotations

import json

import pytest

CONFTEST = """
    import pytest

    @pytest.fixture
    def http_client():
        return None

    @pytest.fixture(params=["blocking", "future"])
    def call(request):
        return request.param
"""
TEST = """
    def test_version(call, couch3):
        assert couch3.version() == "3.5.0"
"""


@pytest.fixture
def couchdb(upstream, monkeypatch):
    """A CouchDB 3 without databases, at ``COUCHDB_URL``; gives what it is asked, line by line."""

    def act(request, client):
        said = {"couchdb": "Welcome", "version": "3.5.0", "db_name": request.path.strip("/")}
        client.whole(200, [("Content-Type", "application/json")], json.dumps(said).encode())

    upstream.act = act
    monkeypatch.setenv("COUCHDB_URL", f"http://admin:secret@{upstream.netloc}")
    return lambda: [f"{request.method} {request.uri}" for request in upstream.asked]


@pytest.fixture
def run(pytester):
    """``run(source, *options)``: a run of pytest with these tests; gives its result."""
    pytester.makeconftest(CONFTEST)

    def inner(source, *options):
        pytester.makepyfile(test_it=source)
        return pytester.runpytest(
            # Hypothesis would be imported anew each time, which takes longer than all the rest.
            *("-p", "tests.replay.plugin", "-p", "no:hypothesispytest"),
            *("--recordings", pytester.path / "recorded", *options),
        )

    return inner


@pytest.fixture
def elsewhere(monkeypatch):
    """``elsewhere()``: from now on there is no CouchDB."""
    return lambda: monkeypatch.delenv("COUCHDB_URL", raising=False)


def _recording(pytester):
    return json.loads((pytester.path / "recorded" / "test_it.json").read_text())


def test_a_test_is_recorded_in_its_first_style_and_replayed_in_all(
    run, couchdb, elsewhere, pytester
):
    result = run(TEST, "--record")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines("grounds: * 0 live on COUCHDB_URL, 1 replayed, 1 recorded")
    recorded = _recording(pytester)
    assert (recorded["couchdb"], recorded["user"]) == ("3.5.0", "admin")
    assert list(recorded["tests"]) == ["test_version"]
    asked = len(couchdb())
    elsewhere()
    result = run(TEST)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines("grounds: * 0 live on COUCHDB_URL, 2 replayed")
    assert len(couchdb()) == asked


def test_with_a_couchdb_it_is_live_and_nothing_is_recorded(run, couchdb, pytester):
    result = run(TEST)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines("grounds: * 2 live on COUCHDB_URL, 0 replayed")
    assert couchdb() == ["GET /"] * 3  # one is the plugin's
    assert not (pytester.path / "recorded").exists()


def test_without_a_recording_it_fails_and_says_what_to_do(run, elsewhere):
    elsewhere()
    result = run(TEST)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        "*test_it.json has no test_version: record it by COUCHDB_URL=* make record*"
    )


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("couch3.version(); couch3.up()", "a request more than was recorded:"),
        ("couch3.all_dbs()", '+path: "/_all_dbs"'),
        ("None", "1 of the recorded requests never came:"),
        ("pytest.raises(Exception, couch3.all_dbs)", '+path: "/_all_dbs"'),
    ],
)
def test_a_test_that_asks_something_else_fails(run, couchdb, elsewhere, then, words):
    source = "import pytest\ndef test_it(couch3):\n    {}\n"
    run(source.format("couch3.version()"), "--record").assert_outcomes(passed=1)
    elsewhere()
    result = run(source.format(then))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_it.json, test_it:", f"*{words}*".replace("[", "[[]")])


def test_what_fails_by_itself_says_why_and_not_what_it_has_not_asked(run, couchdb, elsewhere):
    source = "def test_it(couch3):\n    {}\n    couch3.version()\n"
    run(source.format(""), "--record").assert_outcomes(passed=1)
    elsewhere()
    result = run(source.format("assert 1 == 2"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("*assert 1 == 2")
    result.stdout.no_fnmatch_line("*never came*")


def test_what_failed_is_not_recorded(run, couchdb, pytester):
    run(TEST + "        assert False", "--record").assert_outcomes(failed=2)
    assert not (pytester.path / "recorded").exists()


def test_only_what_needs_a_couchdb_3_is_recorded(run, couchdb):
    result = run(TEST + "\n    def test_else():\n        assert False\n", "--record")
    result.assert_outcomes(passed=2, deselected=1)


def test_without_a_couchdb_3_there_is_nothing_to_record(run, upstream, monkeypatch):
    body = b'{"couchdb":"Welcome","version":"2.3.1"}'
    upstream.act = lambda request, client: client.whole(200, [], body)
    for url in (f"http://{upstream.netloc}", "http://127.0.0.1:1", ""):
        monkeypatch.setenv("COUCHDB_URL", url)
        result = run(TEST, "--record")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines("*--record needs COUCHDB_URL*")


def test_a_recording_takes_the_former_one_s_place_alone(run, couchdb, pytester):
    run("def test_a(couch3): couch3.version()\ndef test_b(couch3): couch3.info()", "--record")
    first = _recording(pytester)["tests"]
    run("def test_a(couch3): couch3.up()", "--record")
    second = _recording(pytester)["tests"]
    assert second["test_b"] == first["test_b"]
    assert second["test_a"][0]["request"]["path"] == "/_up"


def test_other_parameters_have_recordings_of_their_own(run, couchdb, elsewhere, pytester):
    source = """
        import pytest

        @pytest.mark.parametrize("path", ["blocking", "b-c"])
        @pytest.mark.parametrize("n", [1, 2])
        def test_x(couch3, path, call, n):
            couch3.database(f"{path}{n}").info()
    """
    run(source, "--record").assert_outcomes(passed=8)
    names = [f"test_x[{ids}]" for ids in ("1-b-c", "1-blocking", "2-b-c", "2-blocking")]
    assert sorted(_recording(pytester)["tests"]) == names
    elsewhere()
    run(source).assert_outcomes(passed=8)


def test_fresh_names_are_the_same_on_replay_and_clean_up_is_offstage(
    run, couchdb, elsewhere, pytester
):
    source = """
        def test_it(db3, fresh3, offstage):
            assert db3.name.startswith("test-")
            offstage(lambda couch: couch.create(fresh3("other")))
            assert db3.info()["db_name"] == db3.name
    """
    run(source, "--record").assert_outcomes(passed=1)
    (exchange,) = _recording(pytester)["tests"]["test_it"]
    assert exchange["request"]["path"] == f"/test-{1:032}"
    asked = [line for line in couchdb() if line != "GET /"]
    kinds = [line.partition("-")[0] for line in asked]
    assert kinds == ["PUT /test", "PUT /other", "GET /test", "DELETE /test", "DELETE /other"]
    elsewhere()
    run(source).assert_outcomes(passed=1)


def test_what_asks_after_the_test_is_told_when_it_is_recorded(run, couchdb):
    source = """
        import pytest

        @pytest.fixture
        def unclean(couch3):
            yield
            couch3.version()

        def test_it(unclean, couch3):
            couch3.version()
    """
    result = run(source, "--record")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines("after the test only `offstage` may ask*")
