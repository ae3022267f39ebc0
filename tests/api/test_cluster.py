"""The cluster that a server is part of: its members, many databases at once, shards, purges."""

from __future__ import annotations

import pytest

from corduroy import Couch, NotFound


def test_a_single_node_is_a_cluster_of_one(call, couch3):
    members = call(couch3.membership)
    assert members["all_nodes"] == members["cluster_nodes"] == [call(couch3.node().info)["name"]]
    assert call(couch3.cluster_setup, ["_users"]) == {"state": "single_node_enabled"}


def test_resharding_tells_how_it_stands(call, couch3):
    assert call(couch3.reshard.info)["state"] == "running"
    assert call(couch3.reshard.state) == {"state": "running", "reason": None}
    assert isinstance(call(couch3.reshard.jobs), list)


def test_what_only_clusters_have_is_said_to_be_missing(call, couch, classic):
    if not classic:
        pytest.skip("this server has it")
    assert call(couch.cluster_setup)["state"] == "cluster_disabled"  # PouchDB Server's
    for method, what in (
        (couch.enable_single_node, "_cluster_setup"),
        (couch.finish_cluster, "_cluster_setup"),
        (couch.reshard.info, "_reshard"),
        (couch.reshard.stop, "_reshard"),
        (lambda **style: couch.reshard.job("x", **style), "_reshard"),
    ):
        with pytest.raises(NotFound, match=f"this server does not offer {what}"):
            call(method)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"username": "ada"}, ValueError, "username and password belong together"),
        ({"username": "ada", "password": 123456}, TypeError, "password must be a str, not int"),
        ({"node_count": 0}, ValueError, "node_count must be an int of at least 1"),
        ({"port": 70000}, ValueError, "port must be an int from 1 to 65535"),
        ({"bind_address": ""}, ValueError, "bind_address must not be empty"),
        ({"remote_node": "10.0.0.7"}, ValueError, "username: say which administrator"),
        ({"remote_current_user": "ada"}, ValueError, "remote_current_user needs remote_node"),
    ],
)
def test_setting_up_takes_nothing_that_makes_no_sense(refused, nobody, options, kind, words):
    refused(kind, words, Couch(nobody).enable_cluster, **options)


def test_adding_takes_an_administrator(refused, nobody):
    refused(TypeError, "username must be a str", Couch(nobody).add_node, "10.0.0.7", None, None)


@pytest.mark.parametrize(
    ("args", "options", "words"),
    [
        ((), {}, "give either db, to split all its shards, or one shard"),
        (("music",), {"shard": "shards/00000000-7fffffff/music.1"}, "give either db"),
        ((), {"shard": "shards/x", "range": "00000000-7fffffff"}, "range goes with db"),
        (("No Name",), {}, "'No Name' is no database name"),
    ],
)
def test_splitting_takes_nothing_that_makes_no_sense(refused, nobody, args, options, words):
    refused(ValueError, words, Couch(nobody).reshard.split, *args, **options)


def test_resharding_and_its_styles(nobody):
    reshard = Couch(nobody, style="blocking").reshard
    assert repr(reshard) == repr(reshard.with_style("future")) == f"<Resharding {nobody}/_reshard>"


# -- many databases at once -----------------------------------------------------------------------


def test_figures_of_the_named_databases_come_in_their_order(call, couch, db):
    missing = db.name + "-missing"
    found = call(couch.dbs_info, names=[missing, db.name])
    assert found[0] == {"key": missing, "error": "not_found"}
    assert found[1]["key"] == db.name
    assert found[1]["info"]["doc_count"] == 0
    assert call(couch.dbs_info, []) == []


def test_figures_come_of_as_many_databases_as_are_named(call, couch, db):
    names = [*(f"{db.name}-{number}" for number in range(100)), db.name]
    found = call(couch.dbs_info, iter(names))
    assert [each["key"] for each in found] == names
    assert found[-1]["info"]["db_name"] == db.name


def test_figures_of_all_databases_are_chosen_by_options(call, couch, db):
    (found,) = call(couch.dbs_info, startkey=db.name, limit=1)
    assert found["info"]["db_name"] == db.name
    assert db.name in [each["key"] for each in call(couch.dbs_info)]


def test_figures_of_a_couchdb_3_come_in_bounded_requests(call, couch3, db3, fresh3):
    names = [fresh3("missing") for _ in range(100)]
    found = call(couch3.dbs_info, [*names, db3.name])
    assert [each.get("error") for each in found] == ["not_found"] * 100 + [None]
    (found,) = call(couch3.dbs_info, startkey=db3.name, endkey=db3.name)
    assert found["key"] == db3.name


def test_databases_are_named_or_chosen_but_not_both(refused, nobody):
    dbs_info = Couch(nobody).dbs_info
    refused(TypeError, "names or options, not both", dbs_info, ["music"], limit=1)
    refused(TypeError, "names must be a list", dbs_info, "music")
    refused(ValueError, "'No Name' is no database name", dbs_info, ["No Name"])
    refused(TypeError, "dbs_info has no option 'skipp': did you mean 'skip'", dbs_info, skipp=1)


# -- a database's shards and purges ---------------------------------------------------------------


def test_a_database_tells_its_shards_and_has_them_compared(call, couch3, fresh3):
    db = call(couch3.create, fresh3("test"), q=2)
    shards = call(db.shards)["shards"]
    assert sorted(shards) == ["00000000-7fffffff", "80000000-ffffffff"]
    for docid in ("goldberg", "_design/any?thing", "a/b"):
        found = call(db.shards, docid)
        assert shards[found["range"]] == found["nodes"]
    assert call(db.sync_shards) == {"ok": True}


def test_a_database_remembers_its_purges(call, db3):
    docs = [{"_id": f"d{number:03}"} for number in range(120)]  # more than CouchDB takes at once
    call(db3.save, docs)
    purged = call(db3.purge, docs)
    assert purged["purged"] == {doc["_id"]: [doc["_rev"]] for doc in docs}
    infos = call(db3.purged_infos)
    assert {info["id"]: info["revs"] for info in infos} == purged["purged"]


def test_any_number_of_revisions_is_purged(call, db3):
    revs = [f"1-{number:032x}" for number in range(150)]
    docs = [{"_id": "a", "_rev": rev} for rev in revs]
    call(db3.save, docs, new_edits=False)
    assert sorted(call(db3.purge, {"a": revs})["purged"]["a"]) == revs
    assert call(db3.purge, []) == {"purge_seq": None, "purged": {}}


def test_how_many_purges_are_remembered_is_read_and_set(call, db3):
    assert call(db3.purged_infos_limit) == 1000
    assert call(db3.purged_infos_limit, 7) is None
    assert call(db3.purged_infos_limit) == 7


def test_a_server_without_shards_says_so(call, db, classic):
    if not classic:
        pytest.skip("this server has shards")
    for method, args, what in (
        (db.shards, (), "_shards"),
        (db.shards, ("goldberg",), "_shards/goldberg"),
        (db.sync_shards, (), "_sync_shards"),
        (db.purged_infos, (), "_purged_infos"),
        (db.purged_infos_limit, (), "_purged_infos_limit"),
        (db.purged_infos_limit, (7,), "_purged_infos_limit"),
    ):
        with pytest.raises(NotFound, match=f"this server does not offer {what}"):
            call(method, *args)


def test_limits_and_ids_are_checked(refused, nobody):
    db = Couch(nobody).database("music")
    refused(ValueError, "value must be an int of at least 1", db.purged_infos_limit, 0)
    refused(ValueError, "docid must not be empty", db.shards, "")
