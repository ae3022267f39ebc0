"""What the league keeps in its database: players, games, and the views of them.

A player's rating is in the player's document, since a view can sort by it only there. So a game
changes two documents that other games change too: what `Result.merge` is for.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from corduroy import Database, Document

TOP = 10
FIRST_RATING = 1500

DESIGN = {
    "_id": "_design/rankings",
    "views": {
        # players, by their rating
        "ladder": {
            "map": "function (doc) { if (doc.type == 'player') emit(doc.rating, null) }",
        },
        # [won, lost] of each player
        "record": {
            "map": """function (doc) {
                if (doc.type != 'game') return;
                emit(doc.winner, [1, 0]);
                emit(doc.loser, [0, 1]);
            }""",
            "reduce": "_sum",
        },
        # each player's games by their time; with include_docs a row has the opponent's document
        "games": {
            "map": """function (doc) {
                if (doc.type != 'game') return;
                emit([doc.winner, doc.played], {_id: doc.loser, points: doc.points});
                emit([doc.loser, doc.played], {_id: doc.winner, points: -doc.points});
            }""",
        },
    },
}


def player_id(nick: str) -> str:
    """The id of a player's document."""
    return f"player:{nick}"


def nick_of(id: str) -> str:
    """What a player is called in an address."""
    return id.removeprefix("player:")


def new_player(nick: str, name: str, rating: int = FIRST_RATING) -> Document:
    """A player's document, not saved yet."""
    return Document(_id=player_id(nick), type="player", name=name, rating=rating)


class Result:
    """A game that has been played, and what it changes.

    The game is saved before the players: should the second save fail, the points are on record.

    Args:
        winner, loser (Document): the players, whose ratings change at once.
        played (datetime): when; None: now.

    Attributes:
        game (Document): the game, to be saved.
        players (list of Document): the winner and the loser, to be saved with `merge`.
    """

    def __init__(self, winner: Document, loser: Document, played: datetime | None = None) -> None:
        # Elo's rule: beating somebody stronger is worth more.
        points = round(32 / (1 + 10 ** ((winner.rating - loser.rating) / 400)))
        self.game = Document(
            type="game",
            winner=winner._id,
            loser=loser._id,
            points=points,
            played=(played or datetime.now(UTC)).isoformat(),
        )
        self.points = {winner._id: points, loser._id: -points}
        self.players = [winner, loser]
        for player in self.players:
            player.rating += self.points[player._id]

    def merge(self, local: Document, server: Document) -> Document:
        """Settle a conflict: another game of the player was recorded in between, and counts too."""
        server.rating += self.points[server._id]
        return server


# -- what the pages ask for -----------------------------------------------------------------------


def top() -> dict[str, Any]:
    """Options of the view ``ladder``: the best players, with their documents."""
    return {"descending": True, "limit": TOP, "include_docs": True}


def games_of(nick: str) -> dict[str, Any]:
    """Options of the view ``games``: a player's last games, with the opponents' documents."""
    id = player_id(nick)
    newest_first = {"startkey": [id, {}], "endkey": [id], "descending": True}
    return {**newest_first, "limit": TOP, "include_docs": True}


def record_of(*ids: str) -> dict[str, Any]:
    """Options of the view ``record``: a row for each of these players that has played."""
    return {"keys": ids, "group": True}


# -- the database -------------------------------------------------------------------------------


def deploy(db: Database) -> None:
    """Save the views, whatever the database has of them. Blocks: it is called before the loop runs."""
    db.save(dict(DESIGN), force=True)


def fill(db: Database) -> None:
    """Save a dozen players and their season, if there is no player yet. Blocks."""
    if db.view("rankings/ladder", limit=1):
        return
    names = "Ada Alan Barbara Dennis Donald Edsger Grace Hedy John Katherine Linus Radia"
    players = [new_player(name.lower(), name) for name in names.split()]
    dice, played = random.Random(5984), datetime.now(UTC) - timedelta(days=90)
    games = []
    for _ in range(80):
        played += timedelta(hours=dice.randint(1, 50))
        winner, loser = dice.sample(players, 2)
        games.append(Result(winner, loser, played).game)
    db.save([*players, *games])
