"""Run: one time of listening, on one loop. What is in hand, what is finished, and how it ends.

The three ways to consume a feed all do the same with it: ask for `more`, hand out what is in ``batch``
while counting in ``at``, and ask again when all of it has been handed out, which tells that all of it
is finished.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import shapes
from ..errors import HTTPError, RequestTimeout, may_pass
from ..options import check_count, check_seconds
from ..styles import Home, call_back
from .checkpoint import Checkpoint
from .following import Follower
from .source import Source
from .values import FeedState, in_short

log = logging.getLogger("corduroy.feed")

# A batch that is as large as this is not held back for more: nor would it do to hold so many objects
# at once that the garbage collector comes for each batch.
_MANY = 100
_MUCH = 256 * 1024


@dataclass
class Terms:
    """On which terms a feed listens; attributes as of `ChangesFeed`."""

    source: Source
    since: Any
    timeout: float | None
    max_retries: int | None
    retry_for: float | None
    checkpoint: Checkpoint | None
    checkpoint_every: float
    on_state: Callable[[FeedState], Any] | None

    def __post_init__(self) -> None:
        if self.since is None:
            self.since = 0
        for name in ("timeout", "retry_for", "checkpoint_every"):
            if (seconds := getattr(self, name)) is not None:
                check_seconds(seconds, name)
        if self.max_retries is not None:
            check_count(self.max_retries, "max_retries")
        told = self.on_state
        if told is not None and (not callable(told) or inspect.iscoroutinefunction(told)):
            raise TypeError(f"on_state must be a plain function, not {told!r:.80}")


class Run:
    """One time of listening.

    Args:
        terms (Terms): the feed's terms.
        home (Home): where it is going to run.
        seq: the place to go on from; None: as the terms say.
        left (int | None): after how many changes it ends.

    Attributes:
        batch (list): the changes in hand.
        at (int): how many of them have been handed out.
        ready (int): how many of them may be handed out without asking whether something is ``due``.
        in_hand (int): how many of these, the last ones, the program is still working on.
        home (Home): where it runs.
        stopping (bool): whether it has been told to stop, or has ended.
        dropping (bool): whether what is in hand is not to be handed out any more.
        over (bool): whether nothing of it is left.
        given (int): how many changes were handed out in batches before this one.
        exception (Exception | None): what has ended it, if it was not stopped.
    """

    def __init__(self, terms: Terms, home: Home, seq: Any, left: int | None) -> None:
        self.batch: list[Any] = []
        self.at = 0
        self.ready = 0
        self.in_hand = 1
        self.home = home
        self.stopping = False
        self.dropping = False
        self.over = False
        self.given = 0
        self.exception: Exception | None = None
        self._terms = terms
        self._left = left
        self._follower: Follower | None = None
        self._seq = seq  # after all that is finished
        self._mark = seq  # after the batch
        self._level: FeedState | None = None  # to be told when the batch is finished
        self._closing: asyncio.Task[None] | None = None
        self._save_at = 0.0

    @property
    def seq(self) -> Any:
        """The seq of what was handed out last."""
        return self._seq_at(self.at)

    def _seq_at(self, at: int) -> Any:
        """The last seq that is known among so many changes of the batch."""
        for change in reversed(self.batch[: max(0, at)]):
            if (seq := change.get("seq")) is not None:
                return seq
        return self._seq

    @property
    def due(self) -> bool:
        """Whether `step` has something to do before the next change is handed out."""
        if self.at == len(self.batch) or self.dropping:
            return True
        return self._terms.checkpoint is not None and time.monotonic() >= self._save_at

    @property
    def pending(self) -> int | None:
        """How many changes are still to come, as far as the server has told."""
        return None if self._follower is None else self._follower.pending

    @property
    def handed(self) -> int:
        """How many changes have been handed out."""
        return self.given + self.at

    # -- going on -----------------------------------------------------------------------------

    async def step(self) -> bool:
        """See to it that there is a change to be handed out; as `more`, amid a batch, too."""
        if self.at < len(self.batch) and not self.dropping:
            try:
                await self._save_when_due(
                    self.at
                )  # all of these are finished: the next is asked for
            except HTTPError as error:
                await self.fail(error, in_short(error))
                raise
            return True
        return await self.more()

    def refill(self) -> bool:
        """As `more`, but only if that needs no waiting; False if it does, or something is ``due``."""
        follower = self._follower
        if not self.ready or self.stopping or follower is None:
            return False
        self._finish()
        if not follower.is_ready():
            return False
        self._take_in_hand(follower.take(), follower)
        return True

    def _take_in_hand(self, changes: list[Any], follower: Follower) -> None:
        self.batch, self._mark = changes, follower.seq
        if self._terms.checkpoint is None and not self.dropping:
            self.ready = len(changes)

    async def more(self) -> bool:
        """Finish the batch in hand, and wait for the next one. Being cancelled loses nothing.

        Returns:
            bool: False if it is over.

        Raises:
            HTTPError: what has ended it.
        """
        if self.dropping:
            self._drop()
        self._finish()
        if self.over:
            await self._save()
            return False
        try:
            follower = self._begin()
            changes = [] if self.dropping else await self._next(follower)
            if changes:
                self._take_in_hand(changes, follower)
                return True
            if not self.stopping and follower.seq is not None:
                self._seq = follower.seq
        except Exception as error:
            await self.fail(error, in_short(error))
            raise
        await self.close()
        return False

    async def gather(self, seconds: float) -> None:
        """Add what comes within some time to the batch in hand, unless that is large already."""
        follower, loop = self._begin(), asyncio.get_running_loop()
        size, until = follower.size, loop.time() + seconds
        while len(self.batch) < _MANY and size < _MUCH and not self.stopping:
            if not await follower.wait(max(0.0, until - loop.time())) or not follower.has_changes:
                return
            self.batch += follower.take()
            self._mark = follower.seq
            size += follower.size

    def take_back(self, count: int) -> None:
        """Take back what was handed out last: it was not finished."""
        self.at -= count
        self.in_hand = 0

    def _begin(self) -> Follower:
        if self._follower is None:
            terms = self._terms
            self.home.loop = asyncio.get_running_loop()
            self._save_at = time.monotonic() + terms.checkpoint_every
            self._follower = Follower(
                terms.source,
                self._find_start,
                self._left,
                terms.max_retries,
                terms.retry_for,
                self._told,
            )
        return self._follower

    async def _find_start(self) -> Any:
        """The seq to begin after, if it is not known: the checkpoint's, or what the terms say."""
        terms = self._terms
        if self._seq is None:
            start = terms.since
            if terms.checkpoint is not None and (kept := await terms.checkpoint.read()) is not None:
                start = kept
            if start == "now" and not terms.source.descending:
                # Asked once, and not at each attempt: what happens meanwhile is part of the feed.
                answer = await terms.source.session.send(terms.source.ask_now())
                start = answer.json(shapes.Level)["last_seq"]
            self._seq = start
        return self._seq

    async def _next(self, follower: Follower) -> list[Any]:
        loop, timeout = asyncio.get_running_loop(), self._terms.timeout
        until = None if timeout is None else loop.time() + timeout
        while True:
            await self._save_when_due()
            looks = [] if until is None else [until - loop.time()]
            if self._terms.checkpoint is not None:
                looks.append(self._save_at - time.monotonic())
            if await follower.wait(max(0.0, min(looks)) if looks else None):
                return follower.take()
            if follower.seq is not None:  # there is nothing in hand: all that was read is finished
                self._seq = follower.seq
            if until is not None and loop.time() >= until:
                if follower.trouble is not None:
                    raise follower.trouble
                if follower.seq is None:  # else it would look as if there had been no change
                    raise self._unplaced(timeout)
                return []

    def _unplaced(self, seconds: float | None) -> RequestTimeout:
        """What tells that nobody has answered where the feed begins."""
        reason = f"no answer in {seconds:g} s to where it begins: the feed's checkpoint, or 'now'"
        return RequestTimeout(None, "timeout", reason, method="GET", url=self._terms.source.url)

    def _finish(self) -> None:
        """All of the batch has been handed out, and finished."""
        if self.batch and self.at == len(self.batch):
            self.given += self.at
            self.batch, self.at, self.ready = [], 0, 0
            self._seq = self._mark
        if self._level is not None and not self.batch:
            state, self._level = self._level, None
            self._tell(state)

    # -- checkpoints --------------------------------------------------------------------------

    async def _save_when_due(self, at: int = 0) -> None:
        if self._terms.checkpoint is not None and time.monotonic() >= self._save_at:
            try:
                await self._save(at)
            finally:
                self._save_at = time.monotonic() + self._terms.checkpoint_every

    async def _save(self, at: int = 0) -> None:
        """Write the checkpoint, unless it is there already.

        Args:
            at (int): how many changes of the batch are finished.

        Raises:
            HTTPError: it will never be written.
        """
        checkpoint, seq = self._terms.checkpoint, self._seq_at(at)
        if checkpoint is None or seq is None or seq == checkpoint.seq:
            return
        try:
            await checkpoint.write(seq)
        except HTTPError as error:
            if not may_pass(error) and error.code != 409:
                raise
            log.warning("%s: the checkpoint waits: %s", self._terms.source.path, error)

    # -- the end ------------------------------------------------------------------------------

    def announce_stop(self, drain: bool) -> None:
        """Hand out no more, unless it is to be drained; from any thread, `stop` does the rest."""
        self.stopping = True
        if not drain:
            self.dropping = True
            self.ready = 0

    def stop(self, drain: bool = False) -> None:
        """Read no more; on the run's loop. What has been read is handed out still, or forgotten."""
        self.announce_stop(drain)
        if not drain:
            self._drop()
        if self._follower is not None:
            self._follower.close()

    def _drop(self) -> None:
        if self.at < len(self.batch):
            self._mark = self.seq
            del self.batch[self.at :]

    async def close(self, reason: str = "") -> None:
        """Stop, and wait until nothing is left."""
        if self._closing is None:
            self.stop()
            self._closing = asyncio.get_running_loop().create_task(self._close(reason))
        await asyncio.shield(self._closing)

    async def fail(self, error: Exception, reason: str) -> None:
        """Close because of an error."""
        self.exception = error
        await self.close(reason)

    async def hung_up(self) -> None:
        """Wait until the connection is closed, after `stop`."""
        if self._follower is not None:
            await self._follower.closed()

    async def _close(self, reason: str) -> None:
        await self.hung_up()
        try:
            await self._save(self.at - self.in_hand)
        except HTTPError as error:
            log.warning("%s: the checkpoint is not written: %s", self._terms.source.path, error)
        self.over = True
        self._tell(FeedState("stopped", reason))

    # -- telling ------------------------------------------------------------------------------

    def _told(self, state: FeedState) -> None:
        if state.name == "caught up" and self.batch:
            self._level = state
        else:
            self._tell(state)

    def _tell(self, state: FeedState) -> None:
        source = self._terms.source
        level = logging.INFO if state.name in ("disconnected", "retrying") else logging.DEBUG
        delay = f" in {state.seconds:.1f} s" if state.seconds else ""
        why = f": {state.reason}" if state.reason else ""
        log.log(level, "%s: %s%s%s", source.path, state.name, delay, why)
        if self._terms.on_state is not None:
            try:
                call_back(self._terms.on_state, state)
            except Exception:
                log.exception("on_state has failed")
