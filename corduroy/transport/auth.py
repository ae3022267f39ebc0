"""Ways to prove who is asking. Each is an object that a session asks for its headers."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Protocol


class Auth(Protocol):
    """What a session needs of a way to authenticate."""

    def headers(self) -> Mapping[str, str]:
        """The headers that every request carries."""


class BasicAuth:
    """Name and password with every request (RFC 7617, UTF-8).

    Args:
        user (str): the name; it holds no colon.
        password (str): the password.
    """

    def __init__(self, user: str, password: str) -> None:
        for name, value in (("user", user), ("password", password)):
            if not isinstance(value, str):
                raise TypeError(f"{name} must be a str, not {type(value).__name__}")
        if ":" in user:
            raise ValueError(
                "user must not hold a colon: basic authentication has no way to say it"
            )
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.user = user
        self._headers = {"Authorization": f"Basic {pair}"}

    def headers(self) -> Mapping[str, str]:
        """The ``Authorization`` header."""
        return self._headers

    def __repr__(self) -> str:
        return f"<BasicAuth {self.user}>"
