"""What must not stand in a recording, or cannot stand there as it is, and what stands there instead.

Placeholders have two braces, which no JSON can have beside each other but in a string.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from urllib.parse import quote, quote_plus

HIDDEN = "{{hidden}}"

_BASIC = re.compile(r"\bBasic ([A-Za-z0-9+/]{4,}={0,2})")
_BEARER = re.compile(r"\bBearer [\w-]+\.[\w-]+\.[\w-]+")
_HASH = re.compile(r'"-(?:pbkdf2|hashed)[^"]*"')
_SECRET = re.compile(r'("secret":\s*)"[^"]*"')
# What one side makes up, and both send from then on: each gets a number, so that a recording still
# tells a new one from the one before.
_MADE_UP = re.compile(
    r'AuthSession=(?P<cookie>[^;"\s{]{16,})'
    r'|boundary="?(?P<boundary>[^;"\s{]{16,})'
    r"|corduroy-(?P<own>[0-9a-f]{32})"  # the design document of an ad-hoc view
)
_OTHER_COOKIE = re.compile(r"([^=;\s]+)=(?!\{\{)[^;]*")
_NUMBERED = re.compile(r"\{\{(?:cookie|boundary|own)-\d+\}\}")
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
        self._hidden = dict.fromkeys(servers, "{{server}}")
        self._count: Counter[str] = Counter()
        if password:
            quoted = json.dumps(password, ensure_ascii=False).encode().decode("latin-1")
            in_url = f"{quote(user, safe='')}:{quote(password, safe='')}@"
            self._hidden |= {
                in_url: "{{credentials}}@",
                quoted: '"{{password}}"',
                json.dumps(password): '"{{password}}"',
                f"password={quote_plus(password)}": "password={{password}}",
            }

    def name(self, real: str, recorded: str) -> None:
        """Let one name stand for another."""
        self._hidden[real] = recorded

    def hide(self, text: str) -> str:
        """What is recorded of a text."""
        for found in _MADE_UP.finditer(text):
            kind = found.lastgroup or ""
            if found[kind] not in self._hidden:
                self._count[kind] += 1
                self._pair(f"{{{{{kind}-{self._count[kind]}}}}}", found[kind])
        for real, placeholder in self._hidden.items():
            text = text.replace(real, placeholder)
        text = _BASIC.sub(_hide_basic, text)
        text = _BEARER.sub(f"Bearer {HIDDEN}", text)
        text = _HASH.sub(f'"{HIDDEN}"', text)
        return _SECRET.sub(rf'\1"{HIDDEN}"', text)

    def hide_header(self, name: str, value: str) -> str:
        """What is recorded of a header's value."""
        if name in _CREDENTIALS:
            scheme, space, _ = value.partition(" ")
            return f"{scheme} {HIDDEN}" if space else HIDDEN
        hidden = self.hide(value)
        return _OTHER_COOKIE.sub(rf"\1={HIDDEN}", hidden) if name == "Cookie" else hidden

    def show(self, text: str) -> str:
        """What is replayed of a recorded text."""
        for placeholder in _NUMBERED.findall(text):
            if placeholder not in self._shown:
                kind, _, number = placeholder.strip("{}").partition("-")
                self._count[kind] += 1
                self._pair(placeholder, f"{kind}-{number.zfill(32)}")
        for placeholder, real in self._shown.items():
            text = text.replace(placeholder, real)
        return text

    def _pair(self, placeholder: str, real: str) -> None:
        self._shown[placeholder] = real
        self._hidden[real] = placeholder


def _hide_basic(found: re.Match[str]) -> str:
    try:
        pair = b":" in base64.b64decode(found[1], validate=True)
    except binascii.Error:
        pair = False
    return f"Basic {HIDDEN}" if pair else found[0]
