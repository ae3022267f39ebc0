"""Keepers: work on documents of their own, and know what must have become of each.

A story is written once, as a generator of calls; `tests.faults.styles` tells it in any calling style.
Nobody else touches a keeper's documents. So whatever it is told must be the truth: a conflict with
somebody else would be a lie, and so would a document that is not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from corduroy import ConnectionFailed, Database, RequestTimeout, ServerError, TooManyRequests

# What a fault may be reported as, where it was not got over.
TROUBLE = (ConnectionFailed, RequestTimeout, ServerError, TooManyRequests)


class Call(NamedTuple):
    """A call to be made: of a method of the database, through the faults or straight."""

    method: str
    args: tuple[Any, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012  # nobody changes it
    straight: bool = False


class Outcome(NamedTuple):
    """What it gave, or raised."""

    value: Any
    error: Exception | None


Story = Generator[Call, Outcome, None]
Step = Generator[Call, Outcome, Any]


@dataclass
class Known:
    """What a document must be.

    Attributes:
        doc (dict | None): the document; None: it is deleted, or has never been.
        generation (int): of its current revision; 0: it has never been.
        files (dict): its attachments' content, by name.
    """

    doc: dict[str, Any] | None = None
    generation: int = 0
    files: dict[str, bytes] = field(default_factory=dict)


def generation_of(rev: str) -> int:
    """How many edits a revision is from nothing."""
    return int(rev.partition("-")[0])


class Keeper:
    """Keeps some documents.

    Args:
        name (str): what its ids begin with.
        random (Random): decides what it does.
        steps (int): how many operations it does, at least.
        enough: whether that was enough.

    Attributes:
        known (dict of str to Known): what must be there.
        attaches (bool): whether it does anything with attachments.
        posted (set of str): the tags of the documents posted without an id.
        unsure (set of str): the tags of those of which nobody knows.
        told (Counter): how operations ended, ``"done"`` or by an exception's name.
        wrong (list of str): what was not the truth.
    """

    def __init__(
        self, name: str, random: Random, steps: int, enough: Callable[[], bool] = lambda: True
    ) -> None:
        self.name = name
        self.known = {f"{name}-{n}": Known() for n in range(6)}
        self.posted: set[str] = set()
        self.unsure: set[str] = set()
        self.told: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.attaches = True
        self._random = random
        self._steps = steps
        self._enough = enough
        self._count = 0

    def story(self) -> Story:
        """All that it does."""
        doings = [self._save] * 4 + [self._get] * 3 + [
            self._list, self._delete, self._attach, self._detach, self._copy, self._post, self._query,
        ]  # fmt: skip
        if not self.attaches:
            doings = [doing for doing in doings if doing not in (self._attach, self._detach)]
        while sum(self.told.values()) < self._steps or not self._enough():
            yield from self._random.choice(doings)()

    # -- what it does -------------------------------------------------------------------------

    def _fresh(self, id: str) -> dict[str, Any]:
        """New content for a document, on top of what is known of it."""
        self._count += 1
        old = self.known[id].doc or {}
        kept = {key: old[key] for key in ("_rev", "_attachments") if key in old}
        return {
            "_id": id,
            **kept,
            "n": self._count,
            "by": self.name,
            "text": "é" * (self._count % 40),
        }

    def _save(self) -> Step:
        id = self._any()
        doc = self._fresh(id)
        if (yield from self._did("save", dict(doc), writes={id: doc})) is not None:
            yield from self._wrote(id, doc)

    def _list(self) -> Step:
        ids = self._random.sample(sorted(self.known), 3)
        docs = [self._fresh(id) for id in ids]
        meant = {doc["_id"]: dict(doc) for doc in docs}
        saved = yield from self._did("save", docs, writes=meant)
        if saved is not None:
            if saved.pending:
                self.wrong.append(f"{saved.pending} for a list of {ids}")
            for doc in docs:
                yield from self._wrote(doc["_id"], doc)

    def _delete(self) -> Step:
        id = self._any(alive=True)
        if id is None:
            return
        if (
            yield from self._did("delete", dict(self.known[id].doc), writes={id: None})
        ) is not None:
            self.known[id] = Known(None, self.known[id].generation + 1)

    def _attach(self) -> Step:
        id = self._any(alive=True)
        if id is None:
            return
        content, name = (
            self._random.randbytes(self._random.randrange(300)),
            self._random.choice("xy"),
        )
        doc = dict(self.known[id].doc)
        files = {**self.known[id].files, name: content}
        said = yield from self._did(
            "put_attachment", doc, content, name, "application/octet-stream",
            writes={id: doc}, files=files,
        )  # fmt: skip
        if said is not None:
            self.known[id].files = files
            yield from self._wrote(id, doc)

    def _detach(self) -> Step:
        id = self._any(alive=True)
        if id is None or not self.known[id].files:
            return
        name = self._random.choice(sorted(self.known[id].files))
        doc = dict(self.known[id].doc)
        files = {other: it for other, it in self.known[id].files.items() if other != name}
        said = yield from self._did("delete_attachment", doc, name, writes={id: doc}, files=files)
        if said is not None:
            self.known[id].files = files
            yield from self._wrote(id, doc)

    def _copy(self) -> Step:
        source, dest = self._random.sample(sorted(self.known), 2)
        if self.known[source].doc is None or self.known[source].files or self.known[dest].files:
            return
        over = self.known[dest].doc
        target = dest if over is None else {"_id": dest, "_rev": over["_rev"]}
        doc = {**self.known[source].doc, "_id": dest}
        said = yield from self._did("copy", source, target, writes={dest: doc})
        if said is not None:
            yield from self._wrote(dest, {**doc, "_rev": said["rev"]})

    def _post(self) -> Step:
        self._count += 1
        tag = f"{self.name}/{self._count}"
        outcome = yield Call("post", ({"tag": tag},))
        self._note("post", outcome.error)
        (self.posted if outcome.error is None else self.unsure).add(tag)

    def _get(self) -> Step:
        id = self._any()
        known = self.known[id]
        outcome = yield Call("get", (id,))
        if known.doc is None and outcome.error is not None and outcome.error.code == 404:
            self.told["done"] += 1
            return
        self._note(f"get {id}", outcome.error)
        if outcome.error is None and _plain(outcome.value) != _plain(known.doc):
            self.wrong.append(f"get {id}: {outcome.value}, not {known.doc}")
        for name, content in known.files.items() if outcome.error is None else ():
            fetched = yield Call("get_attachment", (id, name))
            self._note(f"attachment {id}/{name}", fetched.error)
            if fetched.error is None and fetched.value != content:
                self.wrong.append(f"attachment {id}/{name}: {fetched.value!r}, not {content!r}")

    def _query(self) -> Step:
        ids = sorted(self.known)
        outcome = yield Call("get", (ids,))
        self._note("get of many", outcome.error)
        if outcome.error is None:
            for id, doc in zip(ids, outcome.value, strict=True):
                if _plain(doc) != _plain(self.known[id].doc):
                    self.wrong.append(f"get of many, {id}: {doc}, not {self.known[id].doc}")

    # -- what became of it --------------------------------------------------------------------

    def _any(self, alive: bool = False) -> Any:
        ids = [id for id in sorted(self.known) if not alive or self.known[id].doc is not None]
        return self._random.choice(ids) if ids else None

    def _note(self, what: str, error: Exception | None) -> None:
        self.told["done" if error is None else type(error).__name__] += 1
        if error is not None and not isinstance(error, TROUBLE):
            self.wrong.append(f"{what}: {error!r}")

    def _did(
        self,
        method: str,
        *args: Any,
        writes: dict[str, dict[str, Any] | None],
        files: dict[str, bytes] | None = None,
    ) -> Step:
        """Write; if that fails, find out what has become of each document. Gives what the call gave."""
        outcome = yield Call(method, args)
        self._note(f"{method} of {sorted(writes)}", outcome.error)
        if outcome.error is None:
            return outcome.value
        for id, doc in writes.items():
            yield from self._look(id, doc, files)
        return None

    def _wrote(self, id: str, doc: dict[str, Any]) -> Step:
        """Take down what must be there now: what we were told is the truth, and was done once."""
        known = self.known[id]
        known.generation += 1
        current = yield Call("get", (id,), straight=True)
        if current.error is not None:
            self.wrong.append(f"{id} was written, they said: {current.error!r}")
            return
        rev = current.value["_rev"]
        if generation_of(rev) != known.generation:
            self.wrong.append(f"{id}: generation {rev}, not {known.generation}")
        if doc.get("_rev", rev) not in (rev, known.doc and known.doc["_rev"]):
            self.wrong.append(f"{id}: revision {rev}, not {doc['_rev']}")
        if _content(current.value) != _content(doc):
            self.wrong.append(f"{id}: {current.value}, not {doc}")
        known.doc = dict(current.value)

    def _look(self, id: str, doc: dict[str, Any] | None, files: dict[str, bytes] | None) -> Step:
        """After a failure: it was done, or it was not, and nothing between."""
        known = self.known[id]
        outcome = yield Call("get", ([id],), {"conflicts": True}, straight=True)
        assert outcome.error is None, outcome.error
        current = outcome.value[0]
        if current is None:
            if known.doc is None:
                return
            if doc is not None:
                self.wrong.append(f"{id} is lost: {known.doc}")
            self.known[id] = Known(None, known.generation + 1)
        elif known.doc is None or current["_rev"] != known.doc["_rev"]:
            if doc is None or _content(current) != _content(doc):
                self.wrong.append(f"{id}: {current}, which nobody has written")
            if generation_of(current["_rev"]) != known.generation + 1:
                self.wrong.append(f"{id}: {current['_rev']}, after generation {known.generation}")
            known.doc, known.generation = dict(current), known.generation + 1
            if files is not None:
                known.files = files


def _plain(doc: Any) -> Any:
    return None if doc is None else {**doc, "_attachments": sorted(doc.get("_attachments") or ())}


def _content(doc: Any) -> dict[str, Any]:
    return {key: value for key, value in doc.items() if not key.startswith("_")}


def check(db: Database[Any], keepers: list[Keeper]) -> None:
    """See to it that a database is what those who wrote to it know that it must be.

    Args:
        db (Database): the database, with nothing between, in blocking style.
        keepers (list of Keeper): all that have written to it.
    """
    wrong = [wrong for keeper in keepers for wrong in keeper.wrong]
    assert not wrong, "\n".join(wrong[:20])
    rows = {row.id: row for row in db.view("_all_docs", include_docs=True)}
    for keeper in keepers:
        for id, known in keeper.known.items():
            row = rows.pop(id, None)
            if known.doc is None:
                assert row is None, f"{id} is deleted"
                continue
            assert row is not None, f"{id} is lost"
            assert row.doc == known.doc
            assert generation_of(row.doc["_rev"]) == known.generation, "it was written once more"
            for name, content in known.files.items():
                assert db.get_attachment(id, name) == content
    found = Counter(row.doc.get("tag") for row in rows.values())  # all that is left was posted
    posted = set().union(*[keeper.posted for keeper in keepers])
    unsure = set().union(*[keeper.unsure for keeper in keepers])
    assert posted <= set(found) <= posted | unsure
    assert set(found.values()) <= {1}, "none was posted twice"
