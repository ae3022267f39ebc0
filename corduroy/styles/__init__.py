"""The three calling styles: the only room that decides how a call behaves.

An operation is written once, as a coroutine method that awaits `Request`s. `operation` makes of it a
method that blocks, returns a Future, or calls back. Its code up to the first request runs at the call
itself, in every style, so that bad arguments are told of there and then; all that follows runs as a
`Call` on the right loop.
"""

from .callbacks import Callback, call_back, check_callback, failures, hand_out
from .loops import Home, start, wait_for
from .methods import either, in_place, operation, operation_or, streamed, would_block
from .style import Auto, Blocking, Deferred, S, Style, Styled, check_style

__all__ = [
    "Auto",
    "Blocking",
    "Callback",
    "Deferred",
    "Home",
    "S",
    "Style",
    "Styled",
    "call_back",
    "check_callback",
    "check_style",
    "either",
    "failures",
    "hand_out",
    "in_place",
    "operation",
    "operation_or",
    "start",
    "streamed",
    "wait_for",
    "would_block",
]
