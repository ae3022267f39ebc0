"""What the pages are in every style: what they show, and how they tell of errors."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from tornado.web import HTTPError, RequestHandler

from corduroy import Database, Document, Row

from .model import nick_of, player_id


class Page(RequestHandler):
    """A page of the league's, in one of the styles."""

    style: str

    def initialize(self, style: str) -> None:
        """Learn from the route which style's page this is."""
        self.style = style

    @property
    def db(self) -> Database:
        """The league's database."""
        db: Database = self.settings["db"]
        return db

    def player_url(self, id: str) -> str:
        """The address of a player's page."""
        return f"/{self.style}/players/{quote(nick_of(id), safe='')}"

    def asked_game(self) -> list[str]:
        """The ids of the winner and the loser, from the form that was sent."""
        winner, loser = self.get_argument("winner"), self.get_argument("loser")
        if winner == loser:
            raise HTTPError(400, reason="Nobody plays against themselves")
        return [player_id(winner), player_id(loser)]

    def both(self, players: Iterable[Document | None]) -> tuple[Document, Document]:
        """The winner and the loser, if they exist."""
        winner, loser = players
        if winner is None or loser is None:
            raise HTTPError(404, reason="No such player")
        return winner, loser

    def show_ladder(self, rows: Iterable[Row], records: Iterable[Row]) -> None:
        """Answer with the ladder: the rows of the views ``ladder`` and ``record``."""
        played = {row.key: row.value for row in records}
        players = [(row.doc, *played.get(row.id, (0, 0))) for row in rows]
        self.show("ladder.html", players=players)

    def show_player(self, player: Document, games: Iterable[Row], records: Iterable[Row]) -> None:
        """Answer with a player's page: a document, and the rows of ``games`` and ``record``."""
        won, lost = next((row.value for row in records), (0, 0))
        self.show("player.html", player=player, games=games, won=won, lost=lost)

    def show(self, template: str, **content: Any) -> None:
        """Answer with a template, below which the page's own code is shown."""
        self.render(template, nick_of=nick_of, source=inspect.getsource(type(self)), **content)

    def write_error(self, status_code: int, **_: Any) -> None:
        """Tell of an error; what was wrong is in the log, not on the page."""
        phrase = self._reason or HTTPStatus(status_code).phrase
        self.show("error.html", code=status_code, phrase=phrase)


class Nothing(Page):
    """What has no page."""

    def prepare(self) -> None:
        """Refuse any request."""
        raise HTTPError(404)


class Welcome(Page):
    """The way in: the three styles."""

    def get(self) -> None:
        """Answer with the choice."""
        self.show("welcome.html")
