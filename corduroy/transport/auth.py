"""Ways to prove who is asking.

Most are headers that every request carries. Those of a `RenewingAuth` are good for a while only: a
session has them granted, and granted anew, as `renewal` tells.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import inspect
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ..errors import ServerError
from ..veil import Unpickled, Veiled, discreet, veiled
from .answer import Answer
from .encoding import check_header, encode_json
from .messages import Request

Send = Callable[[Request], Awaitable[Answer]]
Token = Callable[[], str | Awaitable[str]]

# Seconds that a session of CouchDB's lasts, unless it is configured otherwise.
_LASTS = 600.0

_ALGORITHMS = ("sha256", "sha1", "sha224", "sha384", "sha512")


class Auth(Protocol):
    """What a session needs of a way to authenticate."""

    def headers(self) -> Mapping[str, str]:
        """The headers that prove it, with nothing to be asked before."""


@dataclass(frozen=True)
class Grant:
    """What lets requests in for a while.

    Attributes:
        headers (dict of str to str): what they carry.
        life (float): seconds for which it is good, from when it was asked for; ``inf``: until it is
            refused.
    """

    headers: Mapping[str, str] = field(repr=False)
    life: float


class RenewingAuth(Unpickled, ABC):
    """A way to authenticate whose headers are good for a while only.

    Attributes:
        renews (bool): whether they can be renewed; False: `headers` is all that there is.
    """

    renews = True

    @abstractmethod
    def headers(self) -> Mapping[str, str]:
        """Headers for somebody who cannot renew them: a server that replicates."""

    @abstractmethod
    async def grant(self, send: Send) -> Grant:
        """Have requests let in.

        Args:
            send: sends a request of the session's; it has to be an ``anonymous`` one.

        Returns:
            Grant: what they are to carry from now on.

        Raises:
            Unauthorized: it was no use.
        """

    def refreshed(self, answer: Answer) -> Grant | None:
        """What an answer renews of its own accord; None: nothing."""
        return None


class BasicAuth(Unpickled):
    """Name and password with every request (RFC 7617, UTF-8).

    Args:
        user (str): the name; it holds no colon.
        password (str): the password.
    """

    @discreet
    def __init__(self, user: str, password: str) -> None:
        check_texts(user=user, password=password)
        if ":" in user:
            raise ValueError(
                "user must not hold a colon: basic authentication has no way to say it"
            )
        self.user = user
        self._headers = _basic(user, password)

    def headers(self) -> Mapping[str, str]:
        """The ``Authorization`` header."""
        return self._headers

    def __repr__(self) -> str:
        return f"<BasicAuth {self.user}>"


class CookieAuth(RenewingAuth):
    """A cookie session: the password goes to ``POST /_session``, and a cookie with every request.

    It logs in with the first request. It logs in again before the session expires, by the server's own
    timeout, and once if the server refuses a cookie that should be good still; cookies which the
    server refreshes are taken over.

    Args:
        user (str): the name.
        password (str): the password.
        timeout (float): seconds that a session lasts where the cookie does not tell (CouchDB's
            ``allow_persistent_cookies`` is off); None: 600, as CouchDB has it.

    Endpoint: ``POST /_session``.
    """

    @discreet
    def __init__(self, user: str, password: str, timeout: float | None = None) -> None:
        check_texts(user=user, password=password)
        if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
            raise ValueError(f"timeout must be a number of seconds above 0, not {timeout!r:.80}")
        self.user = user
        self.timeout = timeout
        self._password = password
        self._body = encode_json({"name": user, "password": password}, "user")

    def headers(self) -> Mapping[str, str]:
        """Name and password, as basic authentication has them."""
        return _basic(self.user, self._password)

    def login(self) -> Request:
        """The request that logs in."""
        return Request(
            "POST",
            "/_session",
            body=self._body,
            headers={"Content-Type": "application/json"},
            safe=True,
            anonymous=True,
        )

    async def grant(self, send: Send) -> Grant:
        """See `RenewingAuth.grant`."""
        return self.granted(await send(self.login()))

    def granted(self, answer: Answer) -> Grant:
        """What the answer to `login` grants.

        Raises:
            ServerError: there is no cookie in it.
        """
        found = self.refreshed(answer)
        if found is None:
            reason = "the server let us log in, but gave no AuthSession cookie"
            raise ServerError(
                answer.code, "no_session", reason, method=answer.method, url=answer.url
            )
        return found

    def refreshed(self, answer: Answer) -> Grant | None:
        """See `RenewingAuth.refreshed`."""
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                pair, *attributes = (part.strip() for part in value.split(";"))
                key, _, session = pair.partition("=")
                # What could not be sent back is none.
                if key == "AuthSession" and session and pair.isascii() and pair.isprintable():
                    life = _life(attributes, answer.header("date"))
                    return Grant({"Cookie": pair}, life or self.timeout or _LASTS)
        return None

    def __repr__(self) -> str:
        return f"<CookieAuth {self.user}>"


class JWTAuth(RenewingAuth):
    """A JSON Web Token, or any other bearer token, with every request (RFC 6750).

    Args:
        token: the token; or a function, ``async`` or not, that gives a fresh one. It is called with
            the first request, before the time in the token's ``exp`` is over, and once if the server
            refuses a token that should be good still.
    """

    @discreet
    def __init__(self, token: str | Token) -> None:
        if isinstance(token, str):
            _bearer(token)
        elif not callable(token):
            raise TypeError(
                f"token must be a str, or a function that gives one, not {type(token).__name__}"
            )
        self._token = token
        self.renews = not isinstance(token, str)

    def headers(self) -> Mapping[str, str]:
        """The ``Authorization`` header.

        Raises:
            ValueError: a function gives the tokens.
        """
        if isinstance(self._token, str):
            return _bearer(self._token)
        raise ValueError(
            "auth: a server that replicates cannot ask your function for tokens; give it "
            '{"url": …, "headers": …} instead of a Database'
        )

    async def grant(self, send: Send) -> Grant:
        """See `RenewingAuth.grant`."""
        assert not isinstance(self._token, str)  # there is nothing to renew
        token = self._token()
        if inspect.isawaitable(token):
            token = await token
        token = veiled(token)
        return Grant(_bearer(token), _left_of(token))

    def __repr__(self) -> str:
        return "<JWTAuth>"


class ProxyAuth(Unpickled):
    """What a trusted proxy says of a user: CouchDB's ``proxy_authentication_handler``.

    Args:
        user (str): the user's name; there need not be such a user in ``_users``.
        roles (list of str): the user's roles.
        secret (str): ``[chttpd_auth] secret`` of the server, for the token that ``proxy_use_secret``
            asks for; None: no token.
        algorithm (str): what the token is made with: ``"sha256"``, which CouchDB 3.3 and later take,
            or ``"sha1"``, which older ones do.
    """

    @discreet
    def __init__(
        self,
        user: str,
        roles: Iterable[str] = (),
        secret: str | None = None,
        algorithm: str = "sha256",
    ) -> None:
        check_texts(user=user)
        if isinstance(roles, str):
            raise TypeError("roles must be a list of str, not a str")
        roles = list(roles)
        for role in roles:
            check_texts(roles=role)
            if "," in role:
                raise ValueError(f"roles: {role!r:.80} holds a comma, which stands between roles")
        if algorithm not in _ALGORITHMS:
            raise ValueError(f"algorithm must be one of {', '.join(_ALGORITHMS)}")
        self.user = user
        self.roles = roles
        self._headers = Veiled(
            {
                "X-Auth-CouchDB-UserName": _in_header(user),
                "X-Auth-CouchDB-Roles": _in_header(",".join(roles)),
            }
        )
        if secret is not None:
            check_texts(secret=secret)
            token = hmac.new(secret.encode(), user.encode(), getattr(hashlib, algorithm))
            self._headers["X-Auth-CouchDB-Token"] = token.hexdigest()
        for name, value in self._headers.items():
            check_header(name, value)

    def headers(self) -> Mapping[str, str]:
        """The ``X-Auth-CouchDB-…`` headers."""
        return self._headers

    def __repr__(self) -> str:
        return f"<ProxyAuth {self.user}>"


def without_session(cookie: str) -> str:
    """A ``Cookie`` header without the cookie of a session."""
    pairs = (pair.strip() for pair in cookie.split(";"))
    return "; ".join(pair for pair in pairs if pair and not pair.startswith("AuthSession="))


@discreet
def check_texts(**texts: str) -> None:
    """Refuse what is no text, or cannot be sent as one; the values are not shown.

    Args:
        **texts (str): the values, by the names of the arguments.

    Raises:
        TypeError: one is no str.
        ValueError: one is no Unicode text, or empty; a password may be.
    """
    for name, value in texts.items():
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a str, not {type(value).__name__}")
        if not value and name != "password":
            raise ValueError(f"{name} must not be empty")
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError(f"{name} is no Unicode text: it holds a lone surrogate")


def _basic(user: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Veiled({"Authorization": f"Basic {pair}"})


@discreet
def _bearer(token: object) -> dict[str, str]:
    if not isinstance(token, str):
        raise TypeError(f"token must be a str, not {type(token).__name__}")
    if not token:
        raise ValueError("token must not be empty")
    headers = Veiled({"Authorization": "Bearer " + token})
    for name, value in headers.items():
        check_header(name, value)
    return headers


def _in_header(text: str) -> str:
    """A text whose UTF-8 goes over the wire, where headers are Latin-1."""
    return text.encode().decode("latin-1")


def _life(attributes: list[str], date: str | None) -> float:
    """The seconds that a cookie's attributes give it, by the server's clock; 0 if they do not tell.

    So it is with PouchDB Server, too, which takes the seconds of its timeout for milliseconds.
    """
    told = dict(attribute.lower().partition("=")[::2] for attribute in attributes)
    try:
        if "max-age" in told:
            return max(0.0, float(told["max-age"]))  # in this order: NaN is 0, too
        over, now = (
            email.utils.parsedate_to_datetime(text) for text in (told["expires"], date or "")
        )
        return max((over - now).total_seconds(), 0.0)
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0.0


def _left_of(token: str) -> float:
    """The seconds until a JSON Web Token expires; ``inf`` if it does not tell."""
    try:
        _, claims, _ = token.split(".")
        told = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return float(told["exp"]) - time.time()
    except (KeyError, TypeError, ValueError, OverflowError):
        return math.inf
