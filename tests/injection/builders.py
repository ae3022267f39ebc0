"""What builds paths: which requests are meant by a name, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.injection.inputs import names
from tests.injection.meaning import Meant

JSON = {"content-type": "application/json"}
ANY = {"accept": "*/*"}
FORM = {**ANY, "content-type": "application/x-www-form-urlencoded"}


class Builder(NamedTuple):
    """A builder of paths.

    Attributes:
        argument (str): the argument that it builds them of, as its refusals name it.
        call: calls a method that uses it.
        path: the path that a name means.
        meant: the requests that the call means, with such a path.
        every (int): of which part of the names it is tried with: each tenth, say.
    """

    argument: str
    call: Callable[[Any, str], Any]
    path: Callable[[str], list[str] | None]
    meant: Callable[[list[str]], list[Meant]]
    every: int = 1

    def hold(self, wire: Any) -> None:
        """Try it."""

        def meant(name: str) -> list[Meant] | None:
            path = self.path(name)
            return None if path is None else self.meant(path)

        wire.hold(self.argument, self.call, meant, names()[:: self.every])


# For whoever uses the same builder as somebody else, which all of the names are for.
SOME = 10


def in_d(method: str, *after: str, **more: Any) -> Callable[[list[str]], list[Meant]]:
    """A request for something in the database ``d``."""
    return lambda path: [Meant(method, ["d", *path, *after], **more)]


def at_root(method: str, *before: str, **more: Any) -> Callable[[list[str]], list[Meant]]:
    """A request for something below the root."""
    return lambda path: [Meant(method, [*before, *path], **more)]
