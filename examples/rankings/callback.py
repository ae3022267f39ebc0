"""The pages in callback style: plain verb methods, and a method for each answer that comes.

`relax` keeps the request open until the page is written, and turns what any of these methods raises
into an error page.
"""

from __future__ import annotations

from typing import Any

from tornado.web import HTTPError

from corduroy import Document, NotFound, Status, ViewResult, relax

from .model import Result, games_of, player_id, record_of, top
from .pages import Page


class Ladder(Page):
    """The best players."""

    @relax
    def get(self) -> None:
        self.db.view("rankings/ladder", **top(), callback=self.got_players)

    def got_players(self, rows: ViewResult, status: Status) -> None:
        status.check()
        self.rows = rows
        ids = [row.id for row in rows]
        self.db.view("rankings/record", **record_of(*ids), callback=self.got_records)

    def got_records(self, records: ViewResult, status: Status) -> None:
        status.check()
        self.show_ladder(self.rows, records)


class Player(Page):
    """One player, and the last games."""

    @relax
    def get(self, nick: str) -> None:
        self.nick = nick
        self.db.get(player_id(nick), callback=self.got_player)

    def got_player(self, player: Document, status: Status) -> None:
        if status.error is NotFound:
            raise HTTPError(404, reason="No such player")
        status.check()
        self.player = player
        self.db.view("rankings/games", **games_of(self.nick), callback=self.got_games)

    def got_games(self, games: ViewResult, status: Status) -> None:
        status.check()
        self.games = games
        self.db.view("rankings/record", **record_of(self.player._id), callback=self.got_record)

    def got_record(self, records: ViewResult, status: Status) -> None:
        status.check()
        self.show_player(self.player, self.games, records)


class Games(Page):
    """Where games are recorded."""

    @relax
    def post(self) -> None:
        self.db.get(self.asked_game(), callback=self.got_players)

    def got_players(self, players: list[Document | None], status: Status) -> None:
        status.check()
        self.result = Result(*self.both(players))
        self.db.save(self.result.game, callback=self.saved_game)

    def saved_game(self, _: Any, status: Status) -> None:
        status.check()
        players, merge = self.result.players, self.result.merge
        self.db.save(players, merge=merge, callback=self.saved_players)

    def saved_players(self, saved: Any, status: Status) -> None:
        status.check()
        if saved.pending:
            raise saved
        self.redirect(self.player_url(self.result.game.winner), status=303)
