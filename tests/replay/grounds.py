"""The three grounds of a test that only CouchDB 3 can answer: live, recorded, and replayed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from corduroy import Couch, NotFound
from tests.replay.recorder import Recorder
from tests.replay.recordings import Recording
from tests.replay.replayer import Replayer


class Live:
    """CouchDB itself.

    Attributes:
        name (str): of the ground, for the summary.
        url (str): where the test finds its server, with credentials.
        kept (bool): whether there is a new recording.
    """

    name = "live"
    kept = False

    def __init__(self, couchdb: str) -> None:
        self.url = couchdb
        self._couchdb = couchdb
        self._names: list[str] = []

    def fresh(self, stem: str) -> str:
        """A name that nobody has used."""
        self._names.append(f"{stem}-{uuid.uuid4().hex}")
        return self._names[-1]

    def offstage(self, act: Callable[[Couch[Any]], object]) -> None:
        """Do something to the real server behind the test's back; nothing where there is none."""
        with Couch(self._couchdb, style="blocking") as couch:
            act(couch)

    def difference(self) -> str | None:
        """How a request differed from what was recorded; None: none did."""
        return None

    def missing(self) -> str | None:
        """What was recorded and has not been asked; None: all has been."""
        return None

    def keep(self) -> None:
        """Take note that the test has passed."""

    def late(self) -> str | None:
        """What is wrong with what came after the test; None: nothing is."""
        return None

    def close(self) -> None:
        """End it; databases of fresh names are deleted."""
        with Couch(self._couchdb, style="blocking") as couch:
            for name in self._names:
                with suppress(
                    NotFound, ValueError
                ):  # the test has deleted it; it names something else
                    couch.delete(name)


class Recorded(Live):
    """CouchDB, and a recorder in front of it."""

    name = "recorded"

    def __init__(self, couchdb: str, version: str, recording: Recording) -> None:
        super().__init__(couchdb)
        self._version = version
        self._recording = recording
        self._recorder = Recorder(couchdb)
        self.url = self._recorder.url

    def fresh(self, stem: str) -> str:
        name = super().fresh(stem)
        self._recorder.veil.name(name.rpartition("-")[2], _number(len(self._names)))
        return name

    def keep(self) -> None:
        user = unquote(urlsplit(self._couchdb).username or "")
        self._recording.write(self._version, user, self._recorder.recorded())
        self.kept = True

    def late(self) -> str | None:
        if not self._recorder.late:
            return None
        came = "\n".join(self._recorder.late)
        return f"after the test only `offstage` may ask; this could not be replayed:\n{came}"

    def close(self) -> None:
        self._recorder.close()
        super().close()


class Replayed(Live):
    """A recording, without any CouchDB."""

    name = "replayed"

    def __init__(self, recording: Recording, user: str, exchanges: list[dict[str, Any]]) -> None:
        self._recording = recording
        self._replayer = Replayer(exchanges, user)
        self._fresh = 0
        self.url = self._replayer.url

    def fresh(self, stem: str) -> str:
        self._fresh += 1
        return f"{stem}-{_number(self._fresh)}"

    def offstage(self, act: Callable[[Couch[Any]], object]) -> None:
        pass

    def difference(self) -> str | None:
        return self._told(self._replayer.difference)

    def missing(self) -> str | None:
        return self._told(self._replayer.missing())

    def _told(self, said: str | None) -> str | None:
        return said and f"{self._recording.path}, {self._recording.name}:\n{said}"

    def close(self) -> None:
        self._replayer.close()


def _number(number: int) -> str:
    return f"{number:032}"  # as long as the random one that it stands for
