"""The names of the styles, and what has one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from ..transport.session import Session

Auto = Literal["auto"]
Blocking = Literal["blocking"]
Deferred = Literal["future"]
Style = Literal["auto", "blocking", "future"]

if TYPE_CHECKING:  # from Python 3.13 on, typing's own has a default
    from typing_extensions import TypeVar as TypeVarWithDefault

    S = TypeVarWithDefault("S", bound=Style, default=Auto)
else:
    S = TypeVar("S", bound=Style)


class Styled(Generic[S]):
    """What has operations: it knows its session, and the style it was chosen for."""

    _session: Session
    _style: S


def check_style(style: Any) -> Any:
    """Return a style that exists; raise ValueError for any other."""
    if style not in ("auto", "blocking", "future"):
        raise ValueError(f"style must be 'auto', 'blocking' or 'future', not {style!r:.80}")
    return style
