"""ChangesFeed: a listener that can be left alone, and the three ways to consume it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from types import TracebackType
from typing import Any, Self

from ..options import check_seconds
from ..server import Place
from ..styles import Home, Styled, check_callback, wait_for, would_block
from .checkpoint import Checkpoint
from .delivery import Delivery, FeedCallback, delivering, takes_status
from .run import Run, Terms
from .source import Source
from .values import FeedState


class ChangesFeed:
    """The changes of a database, as they happen, for as long as the program wants them.

    It connects again after whatever breaks, and goes on where it was: within one process every change
    comes once, and in order. There are three ways to consume it: ``async for change in feed``, in
    scripts ``for change in feed``, and a callback, which begins with `listen`. Only one at a time; it
    can be stopped, and goes on where it was when it is consumed again. Making one sends nothing.

    Args:
        db (Database): whose changes.
        callback: ``callback(seq, changes)``, or ``callback(seq, changes, status)``: is called with a
            list of changes and the seq of the last. If it returns an awaitable, that is awaited before
            the next batch. What cannot be healed is told once, as ``callback(seq, [], status)`` with
            its ``status.exception``, or to the loop's exception handler if it takes no status. If it
            raises, the feed ends, the loop's exception handler is told, and that batch comes again
            when `listen` is called again.
        since (int | str): the seq to begin after, as the server gave it; 0: the beginning; ``"now"``.
        filter (str): ``"ddoc/filter"``, or one of CouchDB's own.
        latency (float): for how many seconds a callback's batch is gathered from its first change on;
            0: every change by itself. A large batch does not wait.
        heartbeat (float | None): the server is asked for a sign of life every so many seconds; none for
            twice as long, and the connection is taken for dead. None or 0: it is trusted for ever.
        feed (str): ``"continuous"``; ``"eventsource"``, in whose place ``"continuous"`` is taken where
            a server does not have it; ``"longpoll"``, a request at a time, for proxies that hold
            answers back.
        timeout (float | None): seconds without a change after which the feed ends by itself; None:
            never. While the program works on a change the clock stands. If by then nobody has told
            where the feed begins, its checkpoint or what ``"now"`` is, it ends with a `RequestTimeout`.
        limit (int | None): after how many changes it ends; None: never.
        max_retries (int | None): how many failures in a row it bears; None: any number.
        retry_for (float | None): for how many seconds it tries without success; None: for ever.
        checkpoint (str | None): the name of a ``_local`` document of the database, in which it keeps
            how far the program has come; what is there goes before ``since``. After a restart some
            changes may come again, and none is left out.
        checkpoint_every (float): seconds between two writings of it, at least; it is also written when
            the feed is stopped.
        on_state: is called with a `FeedState` when the feed is connected, disconnected, retrying,
            caught up, or stopped.
        **options: those of `Database.changes`: ``doc_ids``, ``selector``, ``query_params``, ``view``,
            ``descending`` (the history once, backwards; a break is raised), ``include_docs``,
            ``conflicts``, ``attachments``, ``att_encoding_info``, ``style``, ``seq_interval``.

    Raises:
        TypeError, ValueError: an argument makes no sense; it is named.

    Endpoints: ``GET /{db}/_changes``, ``POST /{db}/_changes``, ``GET /{db}/_local/{docid}``,
    ``PUT /{db}/_local/{docid}``.
    """

    def __init__(
        self,
        db: Place[Any],
        callback: FeedCallback | None = None,
        since: Any = 0,
        filter: str | None = None,
        latency: float = 0.666,
        heartbeat: float | None = 30.0,
        *,
        feed: str = "continuous",
        timeout: float | None = None,
        limit: int | None = None,
        max_retries: int | None = None,
        retry_for: float | None = None,
        checkpoint: str | None = None,
        checkpoint_every: float = 5.0,
        on_state: Callable[[FeedState], Any] | None = None,
        **options: Any,
    ) -> None:
        if not isinstance(db, Place):
            raise TypeError(f"db must be a Database, not {db!r:.80}")
        kept = None if checkpoint is None else Checkpoint(db._session, db._path, checkpoint)
        options = {**options, "filter": filter, "since": since, "limit": limit}
        source = Source(db._session, db._path, feed, heartbeat or 0.0, options, db)
        terms = Terms(
            source, since, timeout, max_retries, retry_for, kept, checkpoint_every, on_state
        )
        self._set_up(db, callback, latency, terms)

    def _set_up(self, of: Any, callback: FeedCallback | None, latency: float, terms: Terms) -> None:
        check_seconds(latency, "latency")
        if callback is not None:
            check_callback(of, callback)
            takes_status(callback)
        self._of = of
        self._callback = callback
        self._latency = latency
        self._terms = terms
        self._handed = 0
        self._run: Run | None = None
        self._delivery: asyncio.Task[None] | None = None

    @property
    def seq(self) -> Any:
        """The seq of the change that was handed out last, or that the server says it has come to."""
        seq = None if self._run is None else self._run.seq
        return self._terms.since if seq is None else seq

    @property
    def listening(self) -> bool:
        """Whether it is being consumed."""
        return self._run is not None and not self._run.stopping

    @property
    def pending(self) -> int | None:
        """How many changes are still to come, as far as the server has told; CouchDB 2 and later do,
        at the end of a response."""
        return None if self._run is None else self._run.pending

    @property
    def exception(self) -> Exception | None:
        """What has ended it, if it was not stopped; None while it listens."""
        return None if self._run is None else self._run.exception

    def __repr__(self) -> str:
        what = "listening" if self.listening else "not listening"
        return f"<ChangesFeed {self._terms.source.path}: {what}>"

    # -- with a callback ----------------------------------------------------------------------

    def listen(self) -> Self:
        """Begin to call back, or go on where it was; nothing if it is listening already.

        It happens on the running event loop, or on the one that this thread is going to run.

        Returns:
            ChangesFeed: the feed itself.

        Raises:
            RuntimeError: it has no callback, or is being iterated over.
        """
        if self._callback is None:
            raise RuntimeError("this feed has no callback: iterate over it, or make one with it")
        if self.listening and self._delivery is not None:
            return self
        run = self._begin()
        loop = run.home.choose_loop()
        delivery = Delivery(run, self._callback, self._latency, self)
        self._delivery = loop.create_task(delivery.deliver())
        return self

    # -- in a loop ----------------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[Any]:
        return _Changes(self, self._begin())

    def __iter__(self) -> Iterator[Any]:
        if would_block(self._of):
            raise RuntimeError("this would block the event loop: use `async for` instead")
        return self._each(self._begin(private=True))

    def _each(self, run: Run) -> Generator[Any, None, None]:
        try:
            while True:
                if run.at >= run.ready and run.due and not run.refill():  # noqa: SIM102
                    if not wait_for(run.step()):
                        return
                run.at = at = run.at + 1
                yield run.batch[at - 1]
        finally:
            if self._run is run:
                self.stop()

    def _begin(self, private: bool = False) -> Run:
        if self.listening:
            raise RuntimeError("this feed is being listened to already")
        seq = None
        if self._run is not None:
            seq = self._run.seq
            self._handed += self._run.handed
        limit = self._terms.source.limit
        left = None if limit is None else limit - self._handed
        self._delivery = None
        self._run = Run(self._terms, Home(private), seq, left)
        return self._run

    # -- the end ------------------------------------------------------------------------------

    def stop(self, drain: bool = False) -> Awaitable[None]:
        """Stop listening; may be called from anywhere, the callback and other threads included.

        Nothing is delivered afterwards, and the connection is closed. A callback that is under way is
        not interrupted.

        Args:
            drain (bool): hand out what has been read already, and only then stop.

        Returns:
            Awaitable: is done when nothing is left of it; it need not be awaited. Where no event loop
            runs the feed has been stopped when this returns.
        """
        run = self._run
        if run is None or run.over:
            return _Stopped(None)
        home, loop = run.home, run.home.loop
        if loop is None:  # nobody has asked for its first change
            run.stop(drain)
            run.over = True
        elif loop.is_closed() or home.is_inherited:
            run.over = run.stopping = True
        elif home.is_running_here:
            return _Stopped(self._stop(run, drain))
        elif home.stands_still_here and home.private:
            wait_for(self._stop_and_wait(run, drain))
        else:
            if home.stands_still_here:
                run.stop(drain)  # the rest is done when it runs
            else:
                run.announce_stop(drain)
            with contextlib.suppress(RuntimeError):  # the loop was closed just now
                loop.call_soon_threadsafe(self._stop, run, drain)
        return _Stopped(None)

    async def _stop_and_wait(self, run: Run, drain: bool) -> None:
        await self._stop(run, drain)

    def _stop(self, run: Run, drain: bool) -> Awaitable[None]:
        """Stop, on the run's loop."""
        loop = asyncio.get_running_loop()
        run.stop(drain)
        if not drain:
            return loop.create_task(run.close())
        if self._delivery is not None and delivering.get() is not run:
            return asyncio.shield(self._delivery)
        return loop.create_task(run.hung_up())

    def __enter__(self) -> Self:
        if would_block(self._of):
            raise RuntimeError("leaving this would block the event loop: use `async with` instead")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        if self._callback is not None:
            self.listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()


def asks_for_feed(args: tuple[Any, ...], options: dict[str, Any]) -> bool:
    """Whether the arguments of a method ask for a feed, and not for a list."""
    return options.get("feed") in ("continuous", "eventsource")


def feed_of_updates(
    couch: Styled[Any],
    callback: FeedCallback | None = None,
    *,
    feed: str = "continuous",
    since: Any = 0,
    limit: int | None = None,
    latency: float = 0.666,
    heartbeat: float | None = 30.0,
    timeout: float | None = None,
    max_retries: int | None = None,
    retry_for: float | None = None,
    on_state: Callable[[FeedState], Any] | None = None,
    **options: Any,
) -> ChangesFeed:
    """The feed of what happens to a server's databases; arguments as of `ChangesFeed`.

    It keeps no checkpoint, since there is no database to keep it in.

    Endpoint: ``GET /_db_updates``.
    """
    if "checkpoint" in options:
        raise TypeError("checkpoint: a feed of all databases has none to keep it in: keep feed.seq")
    options = {**options, "since": since, "limit": limit}
    source = Source(couch._session, "", feed, heartbeat or 0.0, options)
    made = ChangesFeed.__new__(ChangesFeed)
    terms = Terms(source, since, timeout, max_retries, retry_for, None, 0.0, on_state)
    made._set_up(couch, callback, latency, terms)
    return made


class _Stopped:
    """Awaited, or not, by whoever has stopped a feed."""

    def __init__(self, ending: Awaitable[None] | None) -> None:
        self._ending = ending

    def __await__(self) -> Generator[Any, None, None]:
        if self._ending is not None:
            yield from self._ending.__await__()


class _Changes:
    """What ``async for`` goes through. When it is let go of, the feed stops."""

    def __init__(self, feed: ChangesFeed, run: Run) -> None:
        self._feed = feed
        self._run = run

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        run = self._run
        if run.at >= run.ready and run.due and not await run.step():
            raise StopAsyncIteration
        run.at = at = run.at + 1
        return run.batch[at - 1]

    async def aclose(self) -> None:
        """Stop the feed, as leaving the loop does."""
        await self._feed.stop()

    def __del__(self) -> None:
        if self._feed._run is self._run:
            self._feed.stop()
