"""The replayer: a server that says what was recorded, to whoever asks as it was recorded."""

from __future__ import annotations

import asyncio
import difflib
import json
import threading
from typing import Any

from tornado.httputil import HTTPServerRequest

from tests.replay.exchanges import as_text, content_of, describe_request
from tests.replay.serving import Answering, Serving
from tests.replay.veil import Veil

PATIENCE = 1.0  # seconds that requests get to come after a test has ended: nobody may wait for them
PAUSE = 0.005  # seconds between two looks at what has come
PASSWORD = "password-of-the-replayer"


class Replayer(Serving):
    """A server that follows a recording.

    A request gets the answer of the first exchange with an equal request. What was sent one after
    another has to come so again; what was sent at once may come in any order.

    Args:
        exchanges (list of dict): the recording.
        user (str): the administrator's name in it.

    Attributes:
        url (str): its url, with credentials.
        difference (str | None): how the first request differed that was none of the recording's.
    """

    def __init__(self, exchanges: list[dict[str, Any]], user: str) -> None:
        super().__init__()
        self.url = f"http://{user}:{PASSWORD}@{self.netloc}"
        self._veil = Veil([self.netloc], user, PASSWORD)
        self._groups: list[list[dict[str, Any]]] = []
        for exchange in exchanges:
            if exchange.get("at_once"):
                self._groups[-1].append(exchange)
            else:
                self._groups.append([exchange])
        self.difference: str | None = None
        self._begun = 0  # exchanges
        self._settled = threading.Event()  # all has come, or something else
        if not exchanges:
            self._settled.set()

    def missing(self) -> str | None:
        """The recorded requests that have not come; None: all have.

        Waits a moment for them.
        """
        self._settled.wait(PATIENCE)
        missing = [as_text(exchange["request"]) for exchange in self._remaining()]
        if not missing:
            return None
        return "\n".join([f"{len(missing)} of the recorded requests never came:", *missing])

    async def serve(self, request: HTTPServerRequest) -> None:
        """Answer as it was recorded; or tell what is different, once and for all."""
        client = Answering(request)
        asked = describe_request(request, self._veil)
        exchange = None if self.difference else self._take(as_text(asked))
        if exchange is None:
            self.difference = self.difference or self._difference(asked)
            said = {"error": "not_recorded", "reason": self.difference}
            kind = [("Content-Type", "application/json")]
            client.whole(500, kind, json.dumps(said).encode())
            self._settled.set()
            return
        if not self._groups:
            self._settled.set()
        self._begun += 1
        await self._answer(exchange["answer"], client)

    async def _answer(self, answer: dict[str, Any], client: Answering) -> None:
        headers = [(name, self._veil.show(value)) for name, value in answer.get("headers", [])]
        if "pieces" not in answer:
            client.whole(answer["status"], headers, content_of(answer, self._veil))
            return
        client.begin(answer["status"], headers)
        for piece in answer["pieces"]:
            while self._begun < piece["after"] and not client.gone.is_set():  # noqa: ASYNC110
                await asyncio.sleep(PAUSE)
            client.piece(content_of(piece, self._veil))
        if answer.get("left"):
            await client.gone.wait()
        else:
            client.end()

    def _take(self, asked: str) -> dict[str, Any] | None:
        for exchange in self._groups[0] if self._groups else []:
            if as_text(exchange["request"]) == asked:
                self._groups[0].remove(exchange)
                if not self._groups[0]:
                    del self._groups[0]
                return exchange
        return None

    def _remaining(self) -> list[dict[str, Any]]:
        return [exchange for group in self._groups for exchange in group]

    def _difference(self, asked: dict[str, Any]) -> str:
        sent = as_text(asked)
        remaining = self._remaining()
        if not remaining:
            return f"a request more than was recorded:\n{sent}"
        texts = [as_text(exchange["request"]) for exchange in remaining]
        if sent in texts:
            due = "\n".join(texts[: len(self._groups[0])])
            return f"a request that was recorded for later:\n{sent}\nbefore it comes\n{due}"
        nearest = max(texts, key=lambda text: difflib.SequenceMatcher(None, text, sent).ratio())
        lines = difflib.unified_diff(
            nearest.splitlines(), sent.splitlines(), "recorded", "sent", lineterm="", n=100
        )
        return "\n".join(["a request differs from what was recorded:", *lines])
