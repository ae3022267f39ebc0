"""A database's upkeep, the server's configuration and statistics."""

from __future__ import annotations

import uuid

import pytest

from corduroy import NotFound


def test_a_database_tells_its_figures(call, db):
    call(db.save, [{"_id": "a"}, {"_id": "b"}])
    info = call(db.info)
    assert (info["db_name"], info["doc_count"]) == (db.name, 2)


def test_security_is_read_and_set(call, db):
    value = {"admins": {"names": ["a"], "roles": []}, "members": {"names": [], "roles": ["b"]}}
    assert isinstance(call(db.security), dict)
    assert call(db.security, value) == {"ok": True}
    assert call(db.security) == value
    assert call(db.security, {}) == {"ok": True}
    assert call(db.security) != value


def test_a_database_is_compacted_cleaned_up_and_committed(call, db):
    assert call(db.compact)["ok"] is True
    assert call(db.cleanup)["ok"] is True
    assert call(db.commit)["ok"] is True


def test_couchdb_3_does_the_same(call, db3):
    assert call(db3.compact) == {"ok": True}
    assert call(db3.cleanup) == {"ok": True}
    assert call(db3.commit)["ok"] is True


def test_an_index_is_compacted(call, db3):
    views = {"all": {"map": "function (doc) { emit(doc._id); }"}}
    call(db3.save, {"_id": "_design/d", "views": views})
    for name in ("d", "_design/d"):
        assert call(db3.compact, name) == {"ok": True}
    with pytest.raises(NotFound) as caught:
        call(db3.compact, "nothing")
    assert (caught.value.error, caught.value.reason) == ("not_found", "missing")


def test_revisions_are_purged(call, db3):
    docs = [{"_id": "a"}, {"_id": "b"}, {"_id": "c"}]
    call(db3.save, docs)
    assert call(db3.purge, docs[:1])["purged"] == {"a": [docs[0]["_rev"]]}
    assert call(db3.purge, docs[1])["purged"] == {"b": [docs[1]["_rev"]]}
    assert call(db3.purge, {"c": [docs[2]["_rev"]]})["purged"] == {"c": [docs[2]["_rev"]]}
    assert call(db3.changes)["results"] == []


def test_the_limit_of_revisions_is_read_and_set(call, db3):
    assert call(db3.revs_limit) == 1000
    assert call(db3.revs_limit, 7) is None
    assert call(db3.revs_limit) == 7


def test_what_pouchdb_server_cannot_do_it_says(call, db, classic):
    if not classic:
        pytest.skip("CouchDB 3 can")
    for method, args, what in (
        (db.compact, ("d",), "_compact/d"),
        (db.purge, ({"a": ["1-a"]},), "_purge"),
        (db.revs_limit, (), "_revs_limit"),
        (db.revs_limit, (7,), "_revs_limit"),
    ):
        with pytest.raises(NotFound, match=f"this server does not offer {what}"):
            call(method, *args)


def test_missing_revisions_are_told(call, db):
    doc = {"_id": "a"}
    call(db.save, doc)
    asked = {"a": [doc["_rev"], "1-0123456789abcdef0123456789abcdef"], "b": ["2-abc"]}
    lacking = {"a": asked["a"][1:], "b": ["2-abc"]}
    assert call(db.missing_revs, asked) == {"missing_revs": lacking}
    diff = call(db.revs_diff, asked)
    assert {id: each["missing"] for id, each in diff.items()} == lacking
    assert call(db.revs_diff, {"a": [doc["_rev"]]}) == {}
    assert call(db.missing_revs, doc) == {"missing_revs": {}}


def test_missing_revisions_of_a_missing_database_are_not_found(call, couch):
    with pytest.raises(NotFound) as caught:
        call(couch.database("no-such-database").missing_revs, {"a": ["1-x"]})
    assert "offer" not in caught.value.reason


# -- configuration --------------------------------------------------------------------------------


@pytest.fixture
def section(couch):
    """A section of the configuration of this test's own, which goes away."""
    name = f"test_{uuid.uuid4().hex}"
    yield name
    blocking = couch.with_style("blocking")
    for key in blocking.config(name):
        blocking.config(f"{name}/{key}", delete=True)


def test_configuration_is_read_whole_by_section_and_by_key(call, couch, section):
    assert call(couch.config, f"{section}/k", "value") is None
    assert call(couch.config)[section] == {"k": "value"}
    assert call(couch.config, section) == {"k": "value"}
    assert call(couch.config, f"{section}/k") == "value"


@pytest.mark.parametrize(
    ("value", "kept"),
    [(0, "0"), (0.5, "0.5"), (False, "false"), ("", ""), (True, "true"), (7, "7"), ("ä", "ä")],
)
def test_values_are_set_the_false_ones_as_well(call, couch, section, value, kept, classic):
    if kept == "" and not classic:
        pytest.skip("CouchDB removes a key that is set to nothing")
    assert call(couch.config, f"{section}/k", "before") is None
    assert call(couch.config, f"{section}/k", value) is None
    assert call(couch.config, f"{section}/k") == kept


def test_deleting_a_key_gives_its_old_value(call, couch, section):
    call(couch.config, f"{section}/k", "old")
    assert call(couch.config, f"{section}/k", delete=True) == "old"
    for options in ({}, {"delete": True}):
        with pytest.raises(NotFound):
            call(couch.config, f"{section}/k", **options)
    assert call(couch.config, section) == {}


def test_a_key_may_hold_slashes(call, couch3, fresh3):
    key = f"{fresh3('test')}/k/l"  # PouchDB Server keeps no keys with slashes
    call(couch3.config, key, "x")
    assert call(couch3.config, key) == "x"
    assert call(couch3.config, key, delete=True) == "x"


# -- statistics -----------------------------------------------------------------------------------


def test_statistics_are_read_whole_or_below_a_path(call, couch, classic):
    assert isinstance(call(couch.stats), dict)
    if not classic:  # PouchDB Server has none
        assert "value" in call(couch.stats, "couchdb/database_reads")
        assert "database_reads" in call(couch.stats, "couchdb")
        assert call(couch.stats)["couchdb"]


def test_statistics_that_are_not_there_are_not_found(call, couch, classic):
    for name in ("nothing", "couchdb/nothing"):
        words = f"does not offer _stats/{name}" if classic else f"no statistics '{name}'"
        with pytest.raises(NotFound, match=words):
            call(couch.stats, name)
