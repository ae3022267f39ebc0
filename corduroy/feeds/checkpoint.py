"""Checkpoint: how far a program has come with a feed, kept where its next run finds it."""

from __future__ import annotations

from typing import Any

from .. import shapes
from ..transport.encoding import encode_json, quote_segment
from ..transport.messages import Request
from ..transport.session import Session

_TIMEOUT = 10.0  # seconds: stopping waits for the last one
_ATTEMPTS = 3


class Checkpoint:
    """A ``_local`` document of the database itself, ``{"seq": …}``.

    Args:
        session (Session): the way to the server.
        db (str): the database's path.
        name (str): the document's name, without ``_local/``.

    Attributes:
        seq: what is written there, as far as is known.
    """

    def __init__(self, session: Session, db: str, name: str) -> None:
        if isinstance(name, str) and name.startswith("_local/"):
            raise ValueError(f"checkpoint {name!r:.80} must be a name without '_local/'")
        self._session = session
        self._path = f"{db}/_local/{quote_segment(name, 'checkpoint')}"
        self._doc: dict[str, Any] = {}
        self.seq: Any = None

    async def read(self) -> Any:
        """Read it.

        Returns:
            The seq; None where there is none.

        Endpoint: ``GET /{db}/_local/{docid}``.
        """
        request = Request("GET", self._path, accept=(404,), timeout=_TIMEOUT)
        answer = await self._session.send(request)
        self._doc = {} if answer.code == 404 else answer.json()
        self.seq = self._doc.get("seq")
        return self.seq

    async def write(self, seq: Any) -> None:
        """Write it, whoever may have written it meanwhile.

        Endpoint: ``PUT /{db}/_local/{docid}``.
        """
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            request = Request(
                "PUT",
                self._path,
                body=encode_json({**self._doc, "seq": seq}, "seq"),
                headers={"Content-Type": "application/json"},
                accept=() if last else (409,),
                timeout=_TIMEOUT,
            )
            answer = await self._session.send(request)
            if answer.code != 409:
                self._doc = {**self._doc, "_rev": answer.json(shapes.Stored)["rev"]}
                self.seq = seq
                return
            await self.read()
