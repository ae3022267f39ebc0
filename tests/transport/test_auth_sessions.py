"""A cookie session is begun when it is needed, renewed before it expires, and once if it is refused."""

import asyncio
import contextlib
import io
import threading
import time
import uuid

import pytest

from corduroy import ChangesFeed, CookieAuth, Couch, ServerError, Unauthorized
from tests.faults.proxy import Answer, Cut, FaultProxy, Refuse, Stall, error_500

pytestmark = pytest.mark.usefixtures("runner")

UNAUTHORIZED = Answer(401, b'{"error":"unauthorized","reason":"You are not authorized."}')
PASSWORD = "pa55-w0rd"


class Watched(FaultProxy):
    """A proxy that writes down what is asked, and with which cookie.

    Attributes:
        logins (int): how often somebody has logged in.
        asked (list of str): the other requests, as method and path.
        cookies (list of str | None): what they carried.
        at_login (list of Fault): what is to go wrong with the next logins.
        refused (int): how many of the other requests are to be answered by 401.
    """

    def __init__(self, upstream):
        super().__init__(upstream, self._judge)
        self.logins = self.refused = 0
        self.asked, self.cookies, self.at_login = [], [], []

    def _judge(self, request):
        if (request.method, request.target) == ("POST", "/_session"):
            self.logins += 1
            return self.at_login.pop(0) if self.at_login else None
        self.asked.append(f"{request.method} {request.target}")
        self.cookies.append(request.headers.get("cookie"))
        if self.refused:
            self.refused -= 1
            return UNAUTHORIZED
        return None


@pytest.fixture
def proxy(couchdb_url):
    with Watched(Couch(couchdb_url).url) as between:
        yield between


@pytest.fixture
def ada(couchdb_url):
    """The name of a user."""
    name = f"ada-{uuid.uuid4().hex}"
    with Couch(couchdb_url, style="blocking") as couch:
        couch.save_user(name, PASSWORD)
        yield name
        couch.delete_user(name)


@pytest.fixture
def server(proxy, ada):
    with Couch(proxy.url, CookieAuth(ada, PASSWORD)) as couch:
        yield couch


@pytest.fixture
def notes(db, ada, server):
    """A database that she may read and write."""
    db.with_style("blocking").security({"members": {"names": [ada], "roles": []}})
    db.with_style("blocking").save({"_id": "first"})
    return server.database(db.name)


# -- the first login --------------------------------------------------------------------------------


def test_nothing_is_sent_before_something_is_asked(proxy, server):
    assert (proxy.logins, proxy.requests) == (0, 0)


def test_one_login_is_enough(call, proxy, server):
    for _ in range(3):
        call(server.info)
    assert proxy.logins == 1
    assert proxy.asked == ["GET /"] * 3
    assert len(set(proxy.cookies)) == 1
    assert proxy.cookies[0].startswith("AuthSession=")


async def test_requests_at_the_same_time_share_it(proxy, server):
    await asyncio.gather(*[server.info() for _ in range(20)])
    assert proxy.logins == 1


def test_each_thread_can_use_the_session(proxy, server):
    server.info()
    failures = []

    def ask():
        try:
            for _ in range(5):
                server.info()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert proxy.logins == 1


def test_other_cookies_go_along(call, proxy, ada):
    couch = Couch(proxy.url, CookieAuth(ada, PASSWORD), cookie="theme=dark; AuthSession=old; a=b")
    call(couch.info)
    assert proxy.cookies[0].startswith("theme=dark; a=b; AuthSession=")
    assert "old" not in proxy.cookies[0]


def test_one_auth_may_serve_several_servers(call, proxy, couchdb_url, ada):
    auth = CookieAuth(ada, PASSWORD)
    with Watched(Couch(couchdb_url).url) as other:
        for url in (proxy.url, other.url):
            call(Couch(url, auth).info)
        assert (proxy.logins, other.logins) == (1, 1)


def test_wrong_passwords_are_told_of_by_the_request(call, proxy, ada):
    couch = Couch(proxy.url, CookieAuth(ada, "wrong"))
    with pytest.raises(Unauthorized, match=r"incorrect.*POST .*/_session") as caught:
        call(couch.info)
    assert "wrong" not in str(caught.value)
    assert proxy.asked == []


async def test_and_tried_once_for_all_that_ask_at_the_same_time(proxy, ada):
    couch = Couch(proxy.url, CookieAuth(ada, "wrong"))
    got = await asyncio.gather(*[couch.info() for _ in range(10)], return_exceptions=True)
    assert {type(error) for error in got} == {Unauthorized}
    assert proxy.logins == 1


def test_a_login_that_fails_is_tried_again_by_the_next_request(call, proxy, server):
    proxy.at_login = [error_500()]
    with pytest.raises(ServerError):
        call(server.info)
    assert call(server.info)


async def test_whoever_waits_for_a_login_that_is_called_off_logs_in_himself(proxy, server):
    proxy.at_login = [Stall()]
    first = server.info()
    await asyncio.sleep(0.1)
    second = server.info()
    await asyncio.sleep(0.1)
    first.cancel()
    assert await second
    assert proxy.logins == 2
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_called_off_it_leaves_nothing_behind(proxy, server):
    proxy.at_login = [Stall()]
    call = server.info()
    await asyncio.sleep(0.1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert asyncio.all_tasks() == {asyncio.current_task()}


# -- before it expires ------------------------------------------------------------------------------


@pytest.fixture
def brief(proxy, ada):
    """``brief(seconds)``: the server; sessions are taken to last so long. PouchDB Server's cookies do
    not tell; CouchDB's do."""

    def connect(seconds):
        return Couch(proxy.url, CookieAuth(ada, PASSWORD, timeout=seconds))

    return connect


def only_embedded(classic):
    if not classic:
        pytest.skip("CouchDB's cookies tell how long they last: the recorded tests are for it")


def test_it_is_renewed_before_it_expires(call, classic, proxy, brief):
    only_embedded(classic)
    couch = brief(1.5)
    call(couch.info)
    time.sleep(0.4)
    call(couch.info)
    assert proxy.logins == 2
    assert proxy.asked == ["GET /"] * 2


def test_whoever_is_busy_never_logs_in_again(classic, proxy, brief):
    only_embedded(classic)
    couch = brief(4)
    until = time.monotonic() + 3.5
    while time.monotonic() < until:
        couch.info()
        time.sleep(0.2)
    assert proxy.logins == 1
    assert len(set(proxy.cookies)) > 1, "the cookies that the server refreshes are not taken over"


def test_couchdb_tells_how_long_it_lasts(couch3, fresh3, offstage, configured3):
    configured3("chttpd_auth/timeout", 3)
    user = fresh3("user")
    offstage(lambda couch: couch.save_user(user, PASSWORD))
    with Couch(couch3.url, CookieAuth(user, PASSWORD)) as server:
        for _ in range(2):  # the recording has two logins
            assert server.session()["userCtx"]["name"] == user
            time.sleep(1.9)
    offstage(lambda couch: couch.delete_user(user))


def test_couchdb_refreshes_cookies_which_are_taken_over(couch3, fresh3, offstage, configured3):
    configured3("chttpd_auth/timeout", 5)
    user = fresh3("user")
    offstage(lambda couch: couch.save_user(user, PASSWORD))
    with Couch(couch3.url, CookieAuth(user, PASSWORD)) as server:
        for _ in range(3):  # the recording has one login, and a new cookie in the third request
            assert server.session()["userCtx"]["name"] == user
            time.sleep(1.4)
    offstage(lambda couch: couch.delete_user(user))


# -- refused all the same ---------------------------------------------------------------------------


def test_a_refused_session_is_renewed_and_the_request_repeated(call, proxy, notes):
    call(notes.get, "first")
    proxy.refused = 1
    assert call(notes.get, "first")["_id"] == "first"
    assert proxy.logins == 2


def test_so_is_a_request_that_must_not_be_sent_twice(call, proxy, notes):
    call(notes.get, "first")
    proxy.refused = 1
    doc = {"_id": "second"}
    call(notes.save, doc)
    assert doc["_rev"].startswith("1-")
    assert proxy.asked[1:] == [f"PUT /{notes.name}/second"] * 2


def test_it_is_repeated_once(call, proxy, notes):
    call(notes.get, "first")
    proxy.refused = 10
    with pytest.raises(Unauthorized, match="You are not authorized"):
        call(notes.get, "first")
    assert len(proxy.asked) == 3
    assert proxy.logins == 2


def test_a_user_who_may_not_do_it_does_not_log_in_again_and_again(call, proxy, server):
    call(server.info)
    proxy.refused = 2
    with pytest.raises(Unauthorized):
        call(server.info)
    call(server.info)
    assert proxy.logins == 2


async def test_requests_at_the_same_time_share_the_renewal(proxy, server):
    await asyncio.gather(*[server.info() for _ in range(10)])
    proxy.refused = 10
    await asyncio.gather(*[server.info() for _ in range(10)])
    assert proxy.logins == 2
    assert len(proxy.asked) == 30


def test_a_dead_connection_and_a_refused_session_at_once(call, proxy, server):
    call(server.info)
    proxy.next(Refuse(), UNAUTHORIZED)
    assert call(server.info)


def test_a_download_is_repeated(call, proxy, notes):
    content = b"0123456789" * 1000
    call(notes.put_attachment, notes.with_style("blocking").get("first"), content, "text")
    proxy.refused = 1
    pieces = []
    assert call(notes.get_attachment, "first", "text", to=pieces.append) == len(content)
    assert b"".join(pieces) == content


# -- bodies that are made as they are sent ----------------------------------------------------------


def upload(notes):
    """The arguments of an upload whose body can be made once."""
    doc = notes.with_style("blocking").get("first")
    return doc, iter([b"a" * 1000, b"b" * 1000]), f"file-{uuid.uuid4().hex}"


def test_an_upload_of_a_file_is_repeated(call, proxy, notes):
    doc, pieces, name = upload(notes)
    content = b"".join(pieces)
    proxy.refused = 1
    call(notes.put_attachment, doc, io.BytesIO(content), name)
    assert proxy.logins == 2
    assert call(notes.get_attachment, doc, name) == content


def test_one_whose_body_can_be_made_once_is_not(call, proxy, notes):
    arguments = upload(notes)
    proxy.refused = 1
    with pytest.raises(Unauthorized, match="You are not authorized"):
        call(notes.put_attachment, *arguments)
    assert len([asked for asked in proxy.asked if asked.startswith("PUT")]) == 1
    call(notes.put_attachment, *upload(notes))
    assert proxy.logins == 2, "the session that was refused is used on"


def test_it_gets_a_fresh_session(classic, proxy, notes, brief):
    only_embedded(classic)
    couch = brief(4)
    couch.info()
    arguments = upload(notes)
    before = proxy.logins
    couch.database(notes.name).put_attachment(*arguments)
    assert proxy.logins == before
    time.sleep(1.1)  # a quarter of its life is over: good enough for what can be repeated
    arguments = upload(notes)
    before = proxy.logins
    couch.database(notes.name).put_attachment(*arguments)
    assert proxy.logins == before + 1


# -- feeds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["continuous", "longpoll"])
async def test_a_feed_outlives_its_session(proxy, notes, db, kind):
    feed, seen = ChangesFeed(notes, feed=kind), []
    async for change in feed:
        seen.append(change.id)
        if len(seen) == 3:
            break
        proxy.refused = 1
        proxy.cut_all()
        db.with_style("blocking").save({"_id": f"doc-{len(seen)}"})
    assert seen == ["first", "doc-1", "doc-2"]
    assert proxy.logins == 3


async def test_one_that_is_stopped_while_it_logs_in_stops_at_once(proxy, notes):
    proxy.at_login = [Stall()]
    feed = ChangesFeed(notes, lambda seq, changes: None)
    feed.listen()
    await asyncio.to_thread(proxy.wait_until, lambda: proxy.logins == 1)
    async with asyncio.timeout(5):
        await feed.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


# -- logging in and out -----------------------------------------------------------------------------


async def test_an_answer_to_somebody_before_does_not_bring_his_cookie_back(
    proxy, classic, brief, couchdb_url
):
    """The server refreshes ada's cookie while bob is logging in."""
    only_embedded(classic)
    bob = f"bob-{uuid.uuid4().hex}"
    with contextlib.ExitStack() as stack:
        admin = stack.enter_context(Couch(couchdb_url, style="blocking"))
        admin.save_user(bob, "builder")
        couch = brief(4)
        await couch.info()
        await asyncio.sleep(1.1)
        ours = couch.info()
        await asyncio.sleep(0)
        await couch.login(bob, "builder")
        await ours
        assert (await couch.session())["userCtx"]["name"] == bob
        admin.delete_user(bob)


def test_logging_out_forgets_the_password(call, proxy, server):
    call(server.info)
    call(server.logout)
    proxy.refused = 1
    with pytest.raises(Unauthorized):
        call(server.info)
    assert proxy.cookies[-1] is None


def test_even_if_the_server_cannot_be_told(call, proxy, server):
    call(server.info)
    proxy.next(Cut())
    with pytest.raises(ConnectionError):
        call(server.logout)
    call(server.info)
    assert proxy.cookies[-1] is None
