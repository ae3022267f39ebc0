"""What every request of a session carries: its headers, those that tell who is asking among them."""

from __future__ import annotations

from collections.abc import Mapping

from ..veil import Veiled, discreet, veiled
from .auth import Auth, Grant, RenewingAuth, without_session
from .encoding import check_header, render_headers
from .messages import Request
from .renewal import Renewal

_FRAMING = {"Content-Length", "Transfer-Encoding"}


class Carrying:
    """The headers of the requests to one address.

    Args:
        headers (dict of str to str): what they carry beside credentials.
        auth (Auth | None): proves who is asking.
    """

    def __init__(self, headers: Mapping[str, str], auth: Auth | None) -> None:
        self.auth: Auth | None = None
        self._bare = _checked(headers)
        for name in _FRAMING & self._bare.keys():
            raise ValueError(
                f"headers: {name} tells where a request ends, which differs by request"
            )
        self.renewal: Renewal | None = None
        self.carry({}, None)
        if auth is not None:
            self.authenticate(auth)

    def authenticate(
        self, auth: Auth | None, grant: Grant | None = None, since: float = 0.0
    ) -> None:
        """Prove in this way, from now on, who is asking. Nothing is sent.

        A session's cookie that the program has given as a header is dropped.

        Args:
            auth (Auth | None): the way; None: not at all.
            grant (Grant | None): what has been granted to a `RenewingAuth` already.
            since (float): when that was asked for, by the monotonic clock.
        """
        renewal = proof = None
        if isinstance(auth, RenewingAuth) and auth.renews:
            renewal = Renewal(auth)
        elif auth is not None:
            proof = veiled(auth.headers())
        bare = Veiled(self._bare)
        if cookie := veiled(without_session(bare.pop("Cookie", ""))):
            bare["Cookie"] = cookie
        self.auth, self._bare, self.renewal = auth, bare, renewal
        self.carry(proof or {}, renewal)
        if renewal is not None and grant is not None:
            renewal.take(self.carry, grant, since)

    def carry(self, proof: Mapping[str, str], source: Renewal | None) -> None:
        """Carry these from now on.

        Args:
            proof (dict of str to str): headers that prove who is asking.
            source (Renewal | None): whose they are; where it is not ours any more, since somebody has
                logged in in another way, nothing happens.
        """
        if source is self.renewal:
            proof = _checked(proof)
            if "Cookie" in proof and "Cookie" in self._bare:
                proof["Cookie"] = f"{self._bare['Cookie']}; {proof['Cookie']}"
            self._headers = Veiled({**self._bare, **proof})
            self._head = render_headers(self._headers)

    @property
    def names_somebody(self) -> bool:
        """Whether the requests say who is asking."""
        given = self._headers
        return (
            self.auth is not None
            or "Authorization" in given
            or "X-Auth-Couchdb-Username" in given
            or "AuthSession=" in given.get("Cookie", "")
        )

    def proof(self) -> dict[str, str]:
        """What somebody else needs who is to ask in our name: a server that replicates.

        Raises:
            ValueError: what proves it does not last (`JWTAuth.headers`).
        """
        saying = ("Authorization", "Cookie", "X-Auth-Couchdb-")
        given = Veiled(
            {name: value for name, value in self._bare.items() if name.startswith(saying)}
        )
        return Veiled({**given, **(self.auth.headers() if self.auth is not None else {})})

    def headers_of(self, request: Request) -> dict[str, str]:
        """The headers of one request."""
        own = self._bare if request.anonymous else self._headers
        headers = Veiled(own)
        headers.update(request.headers or {})
        return headers


@discreet
def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers, their names as they are usually written."""
    for name, value in headers.items():
        check_header(name, value)
    return Veiled(
        {"-".join(map(str.capitalize, name.split("-"))): v for name, v in headers.items()}
    )
