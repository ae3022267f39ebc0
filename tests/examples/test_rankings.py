"""The rankings application over real HTTP: the same pages in callback, relax and async style."""

from __future__ import annotations

import asyncio
import contextlib
import html
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from corduroy import Couch
from corduroy.testing import Server
from examples.rankings.app import STYLES, make_app
from examples.rankings.model import deploy, fill, new_player

ROOT = Path(__file__).parents[2]


class Site:
    """The application on a port of its own, and a browser that knows one of its styles."""

    def __init__(self, db, style):
        self.style = style
        self.runner = asyncio.Runner()
        self.runner.run(self._start(db))

    async def _start(self, db):
        socket, self.port = bind_unused_port()
        self.server = HTTPServer(make_app(db))
        self.server.add_socket(socket)
        defaults = {"request_timeout": 10, "follow_redirects": False}
        self.browser = AsyncHTTPClient(force_instance=True, max_clients=50, defaults=defaults)

    def close(self):
        self.runner.run(self._stop())
        self.runner.close()

    async def _stop(self):
        self.browser.close()
        self.server.stop()
        await self.server.close_all_connections()
        # A page that failed may have asked more than it waited for, and Tornado's simple client
        # leaves its socket open where a request is cancelled.
        if asked := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(asked)

    def get(self, path):
        return self.runner.run(self._ask(path))

    def record(self, *games):
        """Record games, each a winner and a loser, all at once."""

        async def at_once():
            return await asyncio.gather(*(self._ask("games", game) for game in games))

        return self.runner.run(at_once())

    async def _ask(self, path, game=None):
        url = f"http://127.0.0.1:{self.port}/{self.style}/{path}"
        form = {"method": "POST", "body": urlencode(dict(game))} if game is not None else {}
        return await self.browser.fetch(url, raise_error=False, **form)


def beaten(winner, loser):
    return (("winner", winner), ("loser", loser))


def table(response):
    """The texts in a page's table, row by row."""
    body = response.body.decode().partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [html.unescape(re.sub("<[^>]*>", "", cell)).strip() for cell in row.split("</td>")[:-1]]
        for row in body.split("</tr>")[:-1]
    ]


@pytest.fixture
def league(db):
    """A database with the views and three players."""
    deploy(db)
    db.save([new_player("ada", "Ada", 1520), new_player("alan", "Alan", 1500)])
    db.save(new_player("grace", "Grace", 1480))
    return db


@pytest.fixture(params=STYLES)
def site(request, league):
    """The application on the league, once in each style."""
    with contextlib.closing(Site(league, request.param)) as site:
        yield site


# -- the pages ------------------------------------------------------------------------------------


def test_the_ladder_has_the_best_first_with_games_won_and_lost(site):
    site.record(beaten("grace", "alan"))
    site.record(beaten("grace", "ada"))
    ladder = site.get("")
    assert ladder.code == 200
    assert table(ladder) == [
        ["1", "Grace", "1514", "2", "0"],
        ["2", "Ada", "1503", "0", "1"],
        ["3", "Alan", "1483", "0", "1"],
    ]


def test_the_ladder_ends_after_ten_players(site, league):
    league.save([new_player(f"extra-{at}", f"Extra {at}", 1000 + at) for at in range(9)])
    players = table(site.get(""))
    assert len(players) == 10
    assert players[-1][1] == "Extra 2"


def test_the_ladder_of_nobody_is_an_empty_table(site, league):
    for nick in ("ada", "alan", "grace"):
        league.delete(f"player:{nick}")
    assert table(site.get("")) == []


def test_a_players_page_has_the_games_against_others_and_the_newest_first(site):
    site.record(beaten("ada", "alan"))
    site.record(beaten("grace", "ada"))
    site.record(beaten("grace", "alan"))
    page = site.get("players/ada")
    assert page.code == 200
    assert "<h1>Ada</h1>" in page.body.decode()
    assert "1 won, 1 lost" in page.body.decode()
    assert [row[1:] for row in table(page)] == [["Grace", "-19"], ["Alan", "+15"]]


def test_a_player_who_has_not_played_has_a_page(site):
    page = site.get("players/grace")
    assert page.code == 200
    assert "Rating 1480, 0 won, 0 lost" in page.body.decode()


def test_a_game_against_somebody_who_has_left_keeps_its_row(site, league):
    site.record(beaten("ada", "alan"))
    league.delete("player:alan")
    assert [row[1] for row in table(site.get("players/ada"))] == ["alan"]


def test_any_nick_and_any_name_find_their_way(site, league):
    league.save(new_player("a/b?c#d %é", "<b>Bobby</b> & Co", 1600))
    first = site.get("").body.decode()
    assert "&lt;b&gt;Bobby&lt;/b&gt; &amp; Co" in first
    (path,) = re.findall(r'href="/\w+/(players/[^"]*)">&lt;b', first)
    page = site.get(path)
    assert page.code == 200
    assert "<h1>&lt;b&gt;Bobby&lt;/b&gt; &amp; Co</h1>" in page.body.decode()


def test_each_page_shows_its_own_code(site):
    page = html.unescape(site.get("players/ada").body.decode())
    assert "class Player(Page):" in page
    words = {"callback": "callback=self.got_player", "relax": "yield", "async": "await"}
    assert words[site.style] in page


# -- recording games ------------------------------------------------------------------------------


def test_a_recorded_game_leads_to_the_winners_page(site, league):
    (answer,) = site.record(beaten("alan", "ada"))
    assert answer.code == 303
    assert answer.headers["Location"] == f"/{site.style}/players/alan"
    assert league.get("player:alan").rating == 1517
    assert league.get("player:ada").rating == 1503


def test_games_recorded_at_once_all_count(site, league):
    before = {id: league.get(id).rating for id in ("player:ada", "player:alan", "player:grace")}
    games = (
        [beaten("ada", "alan")] * 8 + [beaten("alan", "grace")] * 7 + [beaten("grace", "ada")] * 5
    )
    assert [answer.code for answer in site.record(*games)] == [303] * 20

    record = {row.key: row.value for row in league.view("rankings/record", group=True)}
    assert record == {"player:ada": [8, 5], "player:alan": [7, 8], "player:grace": [5, 7]}
    for id, rating in before.items():
        played = league.view("rankings/games", startkey=[id], endkey=[id, {}])
        assert league.get(id).rating == rating + sum(row.value.points for row in played)


# -- errors ---------------------------------------------------------------------------------------


def test_a_missing_player_is_a_404(site):
    page = site.get("players/nobody")
    assert page.code == 404
    assert "No such player" in page.body.decode()


@pytest.mark.parametrize("path", ["_design%2Frankings", "_all_docs", "%20"])
def test_what_is_no_player_is_a_404(site, path):
    assert site.get(f"players/{path}").code == 404


def test_a_game_of_a_missing_player_is_a_404_and_changes_nothing(site, league):
    (answer,) = site.record(beaten("ada", "nobody"))
    assert answer.code == 404
    assert league.get("player:ada").rating == 1520
    assert len(league.view("rankings/record", reduce=False)) == 0


def test_a_game_against_oneself_is_a_400(site):
    (answer,) = site.record(beaten("ada", "ada"))
    assert answer.code == 400


def test_a_game_without_a_loser_is_a_400(site):
    (answer,) = site.record((("winner", "ada"),))
    assert answer.code == 400


@pytest.mark.parametrize("path", ["", "players/ada"])
def test_a_missing_view_is_a_500(site, league, caplog, path):
    league.delete("_design/rankings")
    page = site.get(path)
    assert page.code == 500
    assert "Traceback" not in page.body.decode()
    assert "NotFound" in caplog.text


@pytest.mark.parametrize("path", ["", "players/ada"])
def test_a_view_that_does_not_compute_is_a_500(site, league, caplog, path):
    design = league.get("_design/rankings")
    for view in design.views.values():
        view["map"] = "function (doc) { emit([doc.winner, 1], 'no number') }"
        view["reduce"] = "function (keys, values) { throw new Error('no way') }"
    league.save(design)
    assert site.get(path).code == 500


def test_what_a_page_stumbles_over_is_a_500(site, league, caplog):
    league.save({"_id": "player:odd", "type": "player", "rating": 1})  # has no name
    assert site.get("players/odd").code == 500
    assert "has no key 'name'" in caplog.text


def test_a_game_that_the_database_refuses_is_a_500(site, league, caplog):
    season_over = "function (doc) { if (doc.type == 'game') throw({forbidden: 'season over'}) }"
    league.save({"_id": "_design/season", "validate_doc_update": season_over})
    (answer,) = site.record(beaten("ada", "alan"))
    assert answer.code == 500
    assert "season over" in caplog.text
    assert league.get("player:ada").rating == 1520


@pytest.mark.parametrize("style", STYLES)
def test_a_server_that_is_gone_is_a_500_and_the_site_lives_on(style, tmp_path, caplog):
    with Server(tmp_path) as server:
        league = Couch(server.url).create("league")
        deploy(league)
        league.save(new_player("ada", "Ada"))
        with contextlib.closing(Site(league, style)) as site:
            assert site.get("").code == 200
            server.kill()
            assert [site.get(path).code for path in ("", "players/ada")] == [500, 500]
            assert site.record(beaten("ada", "alan"))[0].code == 500
            assert "ConnectionFailed" in caplog.text
            server.start()
            assert site.get("players/ada").code == 200


def test_an_unknown_address_is_a_404(site):
    page = site.get("nothing/here")
    assert page.code == 404
    assert "Not Found" in page.body.decode()


# -- the program ----------------------------------------------------------------------------------


def test_the_season_that_is_made_up_is_made_up_once(league):
    for player in ("ada", "alan", "grace"):
        league.delete(f"player:{player}")
    fill(league)
    season = league.info()["doc_count"]
    assert len(league.view("rankings/ladder")) == 12
    fill(league)
    assert league.info()["doc_count"] == season


def test_the_program_serves_its_own_season_until_ctrl_c(couchdb_url, couch):
    name = f"test-{uuid.uuid4().hex}"
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "examples.rankings", "--port", "0", "--db", name],
        cwd=ROOT,
        env={**os.environ, "COUCHDB_URL": couchdb_url, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        (url,) = re.findall(r"http://127\.0\.0\.1:\d+/", program.stdout.readline())
        for address in ("", *(f"{style}/" for style in STYLES)):
            with urlopen(url + address, timeout=10) as page:
                assert page.status == 200
        with pytest.raises(HTTPError, match="404"):
            urlopen(url + "async/players/nobody", timeout=10)
    finally:
        program.send_signal(signal.SIGINT)
        _, log = program.communicate(timeout=60)
        couch.delete(name)
    assert program.returncode == 0
    assert "Warning" not in log
    assert "Traceback" not in log
