"""The pytest fixtures, in runs of pytest inside this one."""

import pytest

from corduroy.testing import node


@pytest.fixture(autouse=True)
def given_server(couchdb_url, monkeypatch):
    """The inner runs use the outer run's server, where they do not ask for their own."""
    monkeypatch.setenv("COUCHDB_URL", couchdb_url)
    # pytester moves HOME, and the cache would move along.
    modules = node.node_modules(node.find_node())
    monkeypatch.setenv("CORDUROY_CACHE", str(modules.parent.parent))


def test_every_test_has_a_database_of_its_own(pytester):
    pytester.makepyfile("""
        import corduroy
        import pytest

        names = []

        @pytest.mark.parametrize("n", [1, 2])
        def test_empty(couchdb, n):
            assert isinstance(couchdb, corduroy.Database)
            couchdb.save({"_id": "doc", "n": n})
            assert couchdb.get("doc").n == n
            names.append(couchdb.name)

        def test_gone(couch):
            assert isinstance(couch, corduroy.Couch)
            assert len(set(names)) == 2
            assert not set(names) & set(couch.all_dbs())
    """)
    pytester.runpytest().assert_outcomes(passed=3)


def test_a_test_may_delete_its_database(pytester):
    pytester.makepyfile("""
        def test_deletes(couchdb, couch):
            couch.delete(couchdb.name)
    """)
    pytester.runpytest().assert_outcomes(passed=1)


def test_a_loop_may_be_running(pytester):
    pytester.makepyfile("""
        import asyncio

        def test_loop(request):
            async def main():
                db = request.getfixturevalue("couchdb")
                await db.save({"_id": "doc", "n": 1})
                return await db.get("doc")
            assert asyncio.run(main()).n == 1
    """)
    pytester.runpytest().assert_outcomes(passed=1)


def test_without_a_server_given_the_run_has_its_own(pytester, monkeypatch):
    monkeypatch.delenv("COUCHDB_URL")
    pytester.makepyfile("""
        import urllib.request

        def test_url(couchdb_url):
            with urllib.request.urlopen(couchdb_url) as answer:
                assert answer.status == 200

        def test_same(couchdb_url, couchdb):
            assert couchdb_url.startswith("http://127.0.0.1:")
    """)
    pytester.runpytest().assert_outcomes(passed=2)


def test_credentials_stay_out_of_the_report(pytester, monkeypatch):
    monkeypatch.setenv("COUCHDB_URL", "http://user:secret@127.0.0.1:1")
    pytester.makepyfile("""
        def test_fails(couchdb_url, couch):
            assert couchdb_url == "http://user:" + "sec" + "ret@127.0.0.1:1"
            raise ValueError
    """)
    result = pytester.runpytest("--showlocals")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*couchdb_url = 'http://127.0.0.1:1'*", "*ValueError*"])
    result.stdout.no_fnmatch_line("*secret*")


def test_fixtures_are_listed(pytester):
    result = pytester.runpytest("--fixtures")
    result.stdout.fnmatch_lines(["couchdb_url *", "couch *", "couchdb *"])
