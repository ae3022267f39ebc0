"""A script in callback style: each answer is handed to a function, which asks the next question.

    python -m corduroy.testing -- python examples/callbacks.py

The first call is made before the event loop runs, and goes out as soon as it does. A callback that
returns its own call keeps the first one's Future waiting: that Future stands for the whole story, and
has in it whatever a callback has raised.
"""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from tornado.ioloop import IOLoop

from corduroy import Couch, Status, ViewResult

NAME = f"callbacks-{token_hex(3)}"
BIRDS = [
    {"_id": "blackbird", "heard": ["april", "may"]},
    {"_id": "cuckoo", "heard": ["may"]},
    {"_id": "nightingale", "heard": ["april", "may", "june"]},
]
HEARD = "function (doc) { for (var i in doc.heard) emit(doc.heard[i], null) }"
DESIGN = {"_id": "_design/birds", "views": {"heard": {"map": HEARD, "reduce": "_count"}}}

couch = Couch()
db = couch.database(NAME)


def created(_: Any, status: Status) -> Any:
    """There is a database: save birds in it, and a view of them."""
    status.check()
    print("created", NAME)
    return db.save([*BIRDS, DESIGN], callback=saved)


def saved(resolution: Any, status: Status) -> Any:
    """The birds are there: ask the view how many are heard in each month."""
    status.check()
    print("saved", ", ".join(resolution.resolved))
    return db.view("birds/heard", group=True, callback=counted)


def counted(rows: ViewResult, status: Status) -> Any:
    """The view has answered: ask for a bird that there is none of."""
    status.check()
    for row in rows:
        print("heard in", row.key, row.value)
    return db.get("dodo", callback=missed)


def missed(answer: dict[str, Any], status: Status) -> None:
    """There is no such bird: the status says so, and the answer why. The story ends here."""
    print("dodo", status, answer["reason"])


def ended(_: Any) -> None:
    """Tidy up, however the story has ended."""
    couch.delete(NAME, callback=deleted)


def deleted(_: Any, status: Status) -> None:
    """Stop the loop, and the script goes on after ``start()``."""
    print("deleted" if status.ok else "could not delete", NAME)
    IOLoop.current().stop()


story = couch.create(NAME, callback=created)
IOLoop.current().add_future(story, ended)
IOLoop.current().start()
story.result()  # raises what a callback has raised
