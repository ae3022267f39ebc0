"""Renewal: keeps the credentials of one session good, for as long as the program runs.

A grant has three ages, told by this machine's monotonic clock. While it is *fresh*, requests go out
with it and nobody thinks of it. After that the answers are looked at, since CouchDB refreshes a cookie
that is in use. When its end is near, a new one is asked for before the request goes out. If a grant is
refused all the same (the server has another secret now, the password was changed), it is renewed and
the request goes out once more.

All of it is per session. Requests of one loop share a renewal; loops do not wait for each other.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from time import monotonic

from .answer import Answer
from .auth import Grant, RenewingAuth, Send
from .messages import Request

# The parts of a grant's life in which it is fresh, and in which it is good. CouchDB refreshes a cookie
# once a tenth of its life is over.
_FRESH = 0.25
_GOOD = 0.9

# Servers count in whole seconds.
_TICK = 1.0


Carry = Callable[[Mapping[str, str], "Renewal"], None]
"""Has requests carry what is granted: `Carrying.carry`."""


class Renewal:
    """The grants of one address, one after another.

    Args:
        auth (RenewingAuth): what they are granted to.
    """

    def __init__(self, auth: RenewingAuth) -> None:
        self._auth = auth
        self._grant: Grant | None = None
        self._fresh_until = self._good_until = -math.inf
        self._under_way: dict[asyncio.AbstractEventLoop, asyncio.Future[None]] = {}

    def covers(self, request: Request) -> bool:
        """Whether a request can go out as it is: what it will carry is fresh."""
        request.grant = self._grant
        return monotonic() < self._fresh_until

    async def prepare(self, send: Send, carry: Carry, request: Request) -> float:
        """See to it that a request goes out with what is good; one that cannot be repeated, with what
        is fresh.

        Args:
            send: sends a request to the address.
            carry: takes over what is granted.
            request (Request): the request.

        Returns:
            float: the time, for `spent`.

        Raises:
            HTTPError: what was asked for is not granted.
        """
        if not request.anonymous:
            limit = self._good_until if request.repeatable else self._fresh_until
            if monotonic() >= limit:
                await self._renew(send, carry)
            request.grant = self._grant
        return monotonic()

    def spent(self, carry: Carry, request: Request, answer: Answer, sent: float) -> bool:
        """Take from an answer what it says of the grant that its request went out with.

        Args:
            carry, request: as of `prepare`.
            answer (Answer): the answer.
            sent (float): when the request was sent.

        Returns:
            bool: the grant was refused, and the request may go out again.
        """
        if request.anonymous:
            return False
        if answer.code == 401 and 401 not in request.accept:
            if self._grant is request.grant:  # else somebody has renewed it in the meantime
                self._fresh_until = self._good_until = -math.inf
            return request.repeatable
        refreshed = self._auth.refreshed(answer)
        if refreshed is not None:
            self.take(carry, refreshed, sent)
        return False

    def take(self, carry: Carry, grant: Grant, since: float) -> None:
        """Have requests carry a grant, if it is better than what there is.

        Args:
            carry: takes it over.
            grant (Grant): the grant.
            since (float): when it was asked for.
        """
        good_until = since + _GOOD * grant.life - _TICK
        if good_until > self._good_until:
            self._grant = grant
            self._fresh_until = min(since + _FRESH * grant.life, good_until)
            self._good_until = good_until
            carry(grant.headers, self)

    async def _renew(self, send: Send, carry: Carry) -> None:
        """Have a new grant; whoever comes meanwhile waits for the same."""
        loop = asyncio.get_running_loop()
        while (theirs := self._under_way.get(loop)) is not None:
            await asyncio.wait([theirs])
            if not theirs.cancelled():  # as it is if whoever asked for it was cancelled
                try:
                    return theirs.result()
                finally:
                    del theirs  # it holds what was raised, which holds this frame
        self._under_way[loop] = ours = loop.create_future()
        try:
            since = monotonic()
            grant = await self._auth.grant(send)
            self._good_until = -math.inf  # the newest counts, be its life shorter
            self.take(carry, grant, since)
            ours.set_result(None)
        except Exception as error:
            ours.set_exception(error)
            ours.exception()  # it has been heard of
            raise
        finally:
            del self._under_way[loop]
            ours.cancel()
            del ours
