"""What must not stand in a recording, or cannot stand there as it is, and what stands there instead.

Placeholders have two braces, which no JSON can have beside each other but in a string.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from urllib.parse import quote, quote_plus

HIDDEN = "{{hidden}}"

_BASIC = re.compile(r"\bBasic ([A-Za-z0-9+/]{4,}={0,2})")
_BEARER = re.compile(r"\bBearer [\w-]+\.[\w-]+\.[\w-]+")
_COOKIE = re.compile(r"AuthSession=([^;\"\s{]+)")
_HASH = re.compile(r'"-(?:pbkdf2|hashed)[^"]*"')
_SECRET = re.compile(r'("secret":\s*)"[^"]*"')
_SHOWN_COOKIE = re.compile(r"\{\{cookie-(\d+)\}\}")
# Headers whose values are credentials, of which only the scheme is kept, if there is one.
_CREDENTIALS = {"Authorization", "Proxy-Authorization", "X-Auth-Couchdb-Token"}


class Veil:
    """The way between a run's own values and those in a recording.

    Texts are bytes as Latin-1 has them, so that bodies of any kind go through it.

    Args:
        servers (list of str): the addresses, as ``host:port``, that mean the server; the first is the
            one which the client knows.
        user, password (str): the administrator's.
    """

    def __init__(self, servers: list[str], user: str, password: str) -> None:
        self._shown = {"{{server}}": servers[0], "{{password}}": password}
        self._hidden = [(server, "{{server}}") for server in servers]
        self._cookies: dict[str, int] = {}
        if password:
            in_url = f"{quote(user, safe='')}:{quote(password, safe='')}@"
            self._hidden += [
                (in_url, "{{credentials}}@"),
                (_latin(json.dumps(password, ensure_ascii=False)), '"{{password}}"'),
                (json.dumps(password), '"{{password}}"'),
                (f"password={quote_plus(password)}", "password={{password}}"),
            ]

    def name(self, real: str, recorded: str) -> None:
        """Let one name stand for another."""
        self._hidden.append((real, recorded))

    def hide(self, text: str) -> str:
        """What is recorded of a text."""
        for real, placeholder in self._hidden:
            text = text.replace(real, placeholder)
        text = _BASIC.sub(_hide_basic, text)
        text = _BEARER.sub(f"Bearer {HIDDEN}", text)
        text = _HASH.sub(f'"{HIDDEN}"', text)
        text = _SECRET.sub(rf'\1"{HIDDEN}"', text)
        return _COOKIE.sub(lambda found: f"AuthSession={self._hide_cookie(found[1])}", text)

    def hide_header(self, name: str, value: str) -> str:
        """What is recorded of a header's value."""
        if name in _CREDENTIALS:
            scheme, space, _ = value.partition(" ")
            return f"{scheme} {HIDDEN}" if space else HIDDEN
        if name == "Cookie" and not value.startswith("AuthSession="):
            return f"{value.partition('=')[0]}={HIDDEN}"
        return self.hide(value)

    def show(self, text: str) -> str:
        """What is replayed of a recorded text."""
        for placeholder, real in self._shown.items():
            text = text.replace(placeholder, real)
        return _SHOWN_COOKIE.sub(lambda found: self._show_cookie(int(found[1])), text)

    # Cookies are numbered: a recording tells whether an old or a renewed one was sent.

    def _hide_cookie(self, value: str) -> str:
        return f"{{{{cookie-{self._cookies.setdefault(value, len(self._cookies) + 1)}}}}}"

    def _show_cookie(self, number: int) -> str:
        value = f"replayed-{number}"
        self._cookies[value] = number
        return value


def _hide_basic(found: re.Match[str]) -> str:
    try:
        pair = b":" in base64.b64decode(found[1], validate=True)
    except binascii.Error:
        pair = False
    return f"Basic {HIDDEN}" if pair else found[0]


def _latin(text: str) -> str:
    return text.encode().decode("latin-1")
