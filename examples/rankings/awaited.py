"""The pages with async and await.

``with_style("future")`` changes nothing here but the types, which are exact then: mypy knows that
``await db.get("x")`` is a Document.
"""

from __future__ import annotations

import asyncio

from tornado.web import HTTPError

from corduroy import NotFound

from .model import Result, games_of, player_id, record_of, top
from .pages import Page


class Ladder(Page):
    """The best players."""

    async def get(self) -> None:
        db = self.db.with_style("future")
        rows = await db.view("rankings/ladder", **top())
        ids = [row.id for row in rows]
        records = await db.view("rankings/record", **record_of(*ids))
        self.show_ladder(rows, records)


class Player(Page):
    """One player, and the last games."""

    async def get(self, nick: str) -> None:
        db = self.db.with_style("future")
        try:
            player = await db.get(player_id(nick))
        except NotFound:
            raise HTTPError(404, reason="No such player") from None
        games, records = await asyncio.gather(
            db.view("rankings/games", **games_of(nick)),
            db.view("rankings/record", **record_of(player._id)),
        )
        self.show_player(player, games, records)


class Games(Page):
    """Where games are recorded."""

    async def post(self) -> None:
        db = self.db.with_style("future")
        players = await db.get(self.asked_game())
        result = Result(*self.both(players))
        await db.save(result.game)
        saved = await db.save(result.players, merge=result.merge)
        if saved.pending:
            raise saved
        self.redirect(self.player_url(result.game.winner), status=303)
