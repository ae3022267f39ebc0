"""The pages in relax style: generators, in which each yield waits for an answer."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from tornado.web import HTTPError

from corduroy import NotFound, relax

from .model import Result, games_of, player_id, record_of, top
from .pages import Page

Steps = Generator[Any, Any, None]


class Ladder(Page):
    """The best players."""

    @relax
    def get(self) -> Steps:
        rows = yield self.db.view("rankings/ladder", **top())
        ids = [row.id for row in rows]
        records = yield self.db.view("rankings/record", **record_of(*ids))
        self.show_ladder(rows, records)


class Player(Page):
    """One player, and the last games."""

    @relax
    def get(self, nick: str) -> Steps:
        try:
            player = yield self.db.get(player_id(nick))
        except NotFound:
            raise HTTPError(404, reason="No such player") from None
        games, records = yield [  # both at once
            self.db.view("rankings/games", **games_of(nick)),
            self.db.view("rankings/record", **record_of(player._id)),
        ]
        self.show_player(player, games, records)


class Games(Page):
    """Where games are recorded."""

    @relax
    def post(self) -> Steps:
        players = yield self.db.get(self.asked_game())
        result = Result(*self.both(players))
        yield self.db.save(result.game)
        saved = yield self.db.save(result.players, merge=result.merge)
        if saved.pending:
            raise saved
        self.redirect(self.player_url(result.game.winner), status=303)
