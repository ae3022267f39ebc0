"""Users and administrators are saved, checked and deleted; whoever logs in is who asks from then on."""

import contextlib
import os
import time
import uuid

import pytest

from corduroy import ChangesFeed, Conflict, CookieAuth, Couch, Forbidden, NotFound, Unauthorized
from corduroy.testing import Server
from corduroy.transport.messages import Request
from tests.faults.proxy import Answer, FaultProxy


@pytest.fixture(scope="module")
def couchdb_url(couchdb_url):
    """The server of this run; if it is the embedded one, another with an administrator, since where
    there is none everybody may do everything."""
    if os.environ.get("COUCHDB_URL"):
        yield couchdb_url
        return
    with Server() as server:
        Couch(server.url, style="blocking").add_admin("boss", "relax")
        yield server.url.replace("://", "://boss:relax@")


@pytest.fixture
def blocking(couch):
    return couch.with_style("blocking")


@pytest.fixture
def ada(blocking):
    """The name of a user with the password "l/l" and the role "reader"."""
    name = f"ada-{uuid.uuid4().hex}"
    blocking.save_user(name, "l/l", ["reader"], email="ada@example.net")
    yield name
    with contextlib.suppress(NotFound):  # the test has
        blocking.delete_user(name)


@pytest.fixture
def hers(blocking, db, ada):
    """A database that none but she may read, apart from administrators."""
    db.with_style("blocking").save({"_id": "diary"})
    db.with_style("blocking").security({"members": {"names": [ada], "roles": []}})
    return db


@pytest.fixture
def visitor(couch, http_client):
    """The server, as nobody."""
    with Couch(couch.url, http_client=http_client) as server:
        yield server


@pytest.fixture
def end_session(blocking, ada):
    """``end_session(server, password)``: save her password, be it the same as before, which ends her
    sessions; and wait for that, since CouchDB hears of it a moment later."""

    def end(server, password):
        cookie = server._session._ways.all[0].headers_of(Request("GET", "/"))["Cookie"]
        blocking.save_user(ada, password)
        with Couch(server.url, cookie=cookie, style="blocking") as other:
            while other.session()["userCtx"]["name"] is not None:
                time.sleep(0.02)

    return end


# -- users ------------------------------------------------------------------------------------------


def test_a_user_is_created(call, couch, blocking):
    name = f"new-{uuid.uuid4().hex}"
    said = call(couch.save_user, name, "secret", ["a", "b"], email="x@example.net")
    doc = blocking.users.get(said["id"])
    assert said["id"] == f"org.couchdb.user:{name}"
    assert (doc.name, doc.type, doc.roles, doc.email) == (name, "user", ["a", "b"], "x@example.net")
    assert said["rev"] == doc["_rev"]
    assert "password" not in doc
    blocking.delete_user(name)


def test_what_is_not_given_stays(call, couch, blocking, ada):
    call(couch.save_user, ada, roles=["writer"])
    assert blocking.check_user(ada, "l/l")
    call(couch.save_user, ada, "new")
    doc = blocking.users.get(f"org.couchdb.user:{ada}")
    assert (doc.roles, doc.email) == (["writer"], "ada@example.net")
    assert comes_true(blocking.check_user, ada, "new")
    assert not blocking.check_user(ada, "l/l")


def comes_true(ask, *args):
    """Whether something is true, or will be soon: CouchDB keeps users in a cache, which hears of a new
    password a moment later."""
    return any((time.sleep(seconds), ask(*args))[1] for seconds in (0, 0.1, 0.2, 0.4, 0.8, 1.6))


def test_roles_can_be_taken_away(call, couch, blocking, ada):
    call(couch.save_user, ada, roles=())
    assert blocking.users.get(f"org.couchdb.user:{ada}").roles == []


def test_an_old_revision_is_no_hindrance(call, couch, blocking, ada):
    old = blocking.users.get(f"org.couchdb.user:{ada}")["_rev"]
    blocking.save_user(ada, city="London")
    call(couch.save_user, ada, rev=old, country="England")
    doc = blocking.users.get(f"org.couchdb.user:{ada}")
    assert (doc.city, doc.country) == ("London", "England")


@pytest.fixture
def interrupted(couchdb_url, http_client):
    """``interrupted(method, times)``: the server; so many requests of a method meet a conflict."""
    left = {}

    def conflict(request):
        if left.get(request.method, 0) > 0:
            left[request.method] -= 1
            return Answer(409, b'{"error":"conflict","reason":"Document update conflict."}')
        return None

    with FaultProxy(couchdb_url, conflict) as proxy, Couch(proxy.url, http_client=http_client) as c:

        def interrupt(method, times):
            left[method] = times
            return c

        yield interrupt


def test_somebody_else_may_be_quicker_to_save_a_user(call, interrupted, blocking, ada):
    call(interrupted("PUT", 3).save_user, ada, city="London")
    assert blocking.users.get(f"org.couchdb.user:{ada}").city == "London"
    call(interrupted("DELETE", 2).delete_user, ada)
    assert not blocking.check_user(ada, "l/l")


def test_but_not_for_ever(call, interrupted, ada):
    with pytest.raises(Conflict):
        call(interrupted("PUT", 1000).save_user, ada, city="London")
    with pytest.raises(Conflict):
        call(interrupted("DELETE", 1000).delete_user, ada)


def test_a_user_is_known_by_the_documents_id_as_well(call, couch, blocking, ada):
    call(couch.save_user, f"org.couchdb.user:{ada}", "new")
    assert blocking.check_user(ada, "new")
    call(couch.delete_user, f"org.couchdb.user:{ada}")
    with pytest.raises(NotFound, match=f"there is no user '{ada}'"):
        call(couch.delete_user, ada)


@pytest.mark.parametrize("name", ["", "_ada", "a:b", "org.couchdb.user:", "org.couchdb.user:a:b"])
def test_names_that_nobody_can_have(refused, couch, name):
    words = "none that a user can have.*'org.couchdb.user:' and the name"
    refused(ValueError, words, couch.save_user, name)
    refused(ValueError, words, couch.delete_user, name)
    refused(ValueError, "none that a user can have", couch.add_admin, name, "secret")
    refused(ValueError, "none that a user can have", couch.remove_admin, name)


def test_other_arguments_that_make_no_sense(refused, couch):
    save, login = couch.save_user, couch.login
    refused(TypeError, "name must be a str", save, 5)
    refused(TypeError, "password must be a str, not int", save, "ada", 5)
    refused(TypeError, "roles must be a list, not 'ab'", save, "ada", roles="ab")
    refused(TypeError, "roles must be a list of str, not of int", save, "ada", roles=[1])
    refused(ValueError, "'_admin' is CouchDB's own; use add_admin", save, "ada", roles=["_admin"])
    refused(ValueError, "_id of this user is 'org.couchdb.user:ada'", save, "ada", _id="ada")
    refused(ValueError, "type of this user is 'user'", save, "ada", type="admin")
    refused(ValueError, "password must not be empty", couch.add_admin, "ada", "")
    refused(TypeError, "password must be a str", login, "ada", None)
    refused(TypeError, "rev must be a str", save, "ada", rev=5)
    for method in (login, couch.check_user):
        refused(ValueError, "name must not be empty", method, "", "secret")
        refused(TypeError, "name must be a str", method, 5, "secret")


# -- sessions ---------------------------------------------------------------------------------------


def test_a_password_is_checked(call, visitor, ada):
    assert call(visitor.check_user, ada, "l/l") is True
    assert call(visitor.check_user, ada, "wrong") is False
    assert call(visitor.check_user, "nobody-of-that-name", "l/l") is False
    assert call(visitor.session)["userCtx"]["name"] is None


def test_whoever_logs_in_is_who_asks(call, visitor, hers, ada):
    diary = visitor.database(hers.name)
    with pytest.raises(Unauthorized):
        call(diary.get, "diary")
    said = call(visitor.login, ada, "l/l")
    assert (said["ok"], said["name"], said["roles"]) == (True, ada, ["reader"])
    assert call(diary.get, "diary")["_id"] == "diary"
    assert call(visitor.session)["userCtx"] == {"name": ada, "roles": ["reader"]}
    call(visitor.check_credentials)


def test_until_logging_out(call, visitor, hers, ada):
    call(visitor.login, ada, "l/l")
    call(visitor.logout)
    assert call(visitor.session)["userCtx"]["name"] is None
    with pytest.raises(Unauthorized):
        call(visitor.database(hers.name).get, "diary")
    call(visitor.login, ada, "l/l")
    assert call(visitor.session)["userCtx"]["name"] == ada


def test_a_second_login_takes_the_place_of_the_first(call, visitor, blocking, ada):
    bob = f"bob-{uuid.uuid4().hex}"
    blocking.save_user(bob, "builder")
    call(visitor.login, ada, "l/l")
    call(visitor.login, bob, "builder")
    assert call(visitor.session)["userCtx"]["name"] == bob
    with pytest.raises(Unauthorized, match="Name or password is incorrect"):
        call(visitor.login, ada, "wrong")
    assert call(visitor.session)["userCtx"]["name"] == bob
    blocking.delete_user(bob)


def test_wrong_credentials_do_not_keep_anybody_from_logging_in(call, couch, ada, http_client):
    wrong = Couch(couch.url, ("nobody", "wrong"), http_client=http_client)
    with pytest.raises(Unauthorized):
        call(wrong.check_credentials)
    call(wrong.login, ada, "l/l")
    call(wrong.check_credentials)


def test_a_session_ended_by_the_server_begins_anew(call, visitor, hers, ada, end_session):
    call(visitor.login, ada, "l/l")
    end_session(visitor, "l/l")
    assert call(visitor.database(hers.name).get, "diary")["_id"] == "diary"
    assert call(visitor.session)["userCtx"]["name"] == ada


def test_unless_the_password_is_another_now(call, visitor, hers, ada, end_session):
    call(visitor.login, ada, "l/l")
    end_session(visitor, "new")
    with pytest.raises(Unauthorized, match=r"incorrect.*/_session"):
        call(visitor.database(hers.name).get, "diary")


def test_a_session_logs_in_when_it_is_needed(call, couch, ada, hers, http_client):
    with Couch(couch.url, CookieAuth(ada, "l/l"), http_client=http_client) as server:
        assert call(server.database(hers.name).get, "diary")["_id"] == "diary"
        info = call(server.session)["info"]
    assert info["authenticated"] == "cookie"


def test_nobodys_cookie_is_no_credential(call, couch, http_client):
    """Servers take a cookie that is good no more for none at all, and say nothing."""
    dead = "AuthSession=bm9ib2R5OjVGMDAwMDAwOqBqkPKRPwLj1FKr7VcVLqkT_mCV"
    server = Couch(couch.url, cookie=f"theme=dark; {dead}", http_client=http_client)
    with pytest.raises(Unauthorized, match="does not know who is asking"):
        call(server.check_credentials)


@pytest.fixture
def feed(visitor, hers):
    """A feed of nobody's as yet; it connects anew for each change."""
    return ChangesFeed(visitor.database(hers.name), feed="longpoll")


async def test_a_feed_goes_on_when_its_session_has_ended(visitor, feed, hers, ada, end_session):
    await visitor.login(ada, "l/l")
    seen = []
    async for change in feed:
        seen.append(change.id)
        if len(seen) == 2:
            break
        end_session(visitor, "l/l")
        hers.with_style("blocking").save({"_id": "second"})
    assert seen == ["diary", "second"]


async def test_a_wrong_password_ends_it(visitor, feed, ada, end_session):
    await visitor.login(ada, "l/l")
    seen = []

    async def follow():
        async for change in feed:
            seen.append(change.id)
            end_session(visitor, "new")

    with pytest.raises(Unauthorized, match="incorrect"):
        await follow()
    assert seen == ["diary"]


# -- administrators ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own():
    """A server of this file's own: where an administrator is, not everybody is one any more."""
    with Server() as server:
        yield server.url


def test_administrators_of_couchdb_1(call, own, http_client):
    party = Couch(own, cookie="theme=dark", http_client=http_client)
    assert call(party.admins) == []
    call(party.check_credentials)
    call(party.add_admin, "ann", "123")  # a password still, and no number
    with pytest.raises(Unauthorized, match="not a server admin"):
        call(party.admins)
    with pytest.raises(Unauthorized, match=r"give Couch auth=, or call login\(\)"):
        call(party.check_credentials)
    ann = Couch(own, ("ann", "123"), http_client=http_client)
    call(ann.add_admin, "bea", "secret")
    assert call(ann.admins) == ["ann", "bea"]
    assert call(ann.check_user, "bea", "secret")
    call(ann.remove_admin, "bea")
    with pytest.raises(NotFound, match="no administrator 'bea'"):
        call(ann.remove_admin, "bea")
    call(ann.remove_admin, "ann")


def test_administrators_of_couchdb_3(call, couch3, fresh3):
    name = fresh3("admin")
    call(couch3.add_admin, name, "123")
    assert name in call(couch3.admins)
    assert call(couch3.check_user, name, "123")
    call(couch3.add_admin, name, "456")
    assert call(couch3.check_user, name, "456")
    call(couch3.remove_admin, name)
    assert name not in call(couch3.admins)
    assert not call(couch3.check_user, name, "456")
    with pytest.raises(NotFound, match=f"no administrator '{name}'"):
        call(couch3.remove_admin, name)


def test_who_is_no_administrator_is_told_so(call, couch3, fresh3, offstage, http_client):
    name = fresh3("user")
    offstage(lambda couch: couch.save_user(name, "secret"))
    user = Couch(couch3.url, (name, "secret"), http_client=http_client)
    with pytest.raises((Unauthorized, Forbidden), match="not a server admin"):
        call(user.admins)
    offstage(lambda couch: couch.delete_user(name))
