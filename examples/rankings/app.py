"""The application: the same addresses under /callback/, /relax/ and /async/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tornado.web import Application

from corduroy import Database

from . import awaited, callback, relaxed
from .pages import Nothing, Welcome

STYLES = {"callback": callback, "relax": relaxed, "async": awaited}


def make_app(db: Database) -> Application:
    """The application on a league's database.

    Args:
        db (Database): the database, with the views that `model.deploy` saves.

    Returns:
        Application: ready to listen.
    """
    routes: list[Any] = [("/", Welcome, {"style": "async"})]
    for name, pages in STYLES.items():
        style = {"style": name}
        routes += [
            (f"/{name}/", pages.Ladder, style),
            (f"/{name}/players/([^/]+)", pages.Player, style),
            (f"/{name}/games", pages.Games, style),
        ]
    return Application(
        routes,
        db=db,
        styles=list(STYLES),
        template_path=str(Path(__file__).parent / "templates"),
        default_handler_class=Nothing,
        default_handler_args={"style": "async"},
    )
