"""Takes pages apart: the samples of a page, what each claims, and how to run them.

An HTML comment right before a sample names the place where it is run: ``<!-- all servers -->``.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from doctest import DocTestParser
from itertools import pairwise
from typing import Any, NamedTuple

ANYWHERE = ""  # no comment: the server of the run
SHARED = "all servers"  # wherever others of the page are: what they build on
COUCHDB = "CouchDB 2 and later"
SEARCHING = "Clouseau and Nouveau"
NODES = "three new nodes"  # by tests/cluster

_BLOCK = re.compile(r"^```([^\s`]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PLACE = re.compile(rf"<!-- ({SHARED}|{COUCHDB}|{SEARCHING}|{NODES})(?: -->)?\s*\Z")
_CLAIMS = _GIVES, _RAISES = "# → ", "# raises "


class Sample(NamedTuple):
    """A ``python`` block of a page, and the ``text`` block that tells what it prints."""

    line: int
    source: str
    printed: str | None
    place: str


def samples(page: str) -> Iterator[Sample]:
    """The samples of a page, in order; those in HTML comments are among them."""
    for block, after in pairwise([*_BLOCK.finditer(page), None]):
        if block[1] != "python":
            continue
        told = after and after[1] == "text" and not page[block.end() : after.start()].strip()
        place = _PLACE.search(page, 0, block.start())
        yield Sample(
            page.count("\n", 0, block.start(2)),
            block[2],
            after[2] if told else None,
            place[1] if place else ANYWHERE,
        )


def other_blocks(page: str) -> Iterator[str]:
    """What else stands in fences, but for what samples print and Sphinx's directives."""
    told = {sample.printed for sample in samples(page)}
    for block in _BLOCK.finditer(page):
        if block[1] != "python" and not block[1].startswith("{") and block[2] not in told:
            yield block[2]


def page_of_docstrings(source: str) -> str:
    """The samples with prompts in a file of Python, as those of a page."""
    return "\n".join(
        f"```python\n{each.source}```\n" + (f"```text\n{each.want}```\n" if each.want else "")
        for each in DocTestParser().get_examples(source)
    )


class Page:
    """One page: runs its samples in one namespace, and checks what they claim.

    Attributes:
        name (str): its path.
        namespace (dict): what the samples have made so far.
    """

    def __init__(self, name: str, text: str, runner: asyncio.Runner) -> None:
        self.name = name
        self._samples = list(samples(text))
        self._runner = runner
        self.namespace: dict[str, Any] = {
            "__name__": "sample",
            "_gives": self._gives,
            "_raises": self._raises,
        }
        self._unseen: set[int] = set()

    def run(self, *places: str) -> None:
        """Run its samples for these places, in order; those that await under the runner's loop."""
        for sample in self._samples:
            if sample.place in places:
                self._run(sample)
        assert not self._unseen, f"{self.name}: never checked: lines {sorted(self._unseen)}"

    def _run(self, sample: Sample) -> None:
        tree = ast.parse(sample.source, self.name)
        ast.increment_lineno(tree, sample.line)
        claims = _Claims(sample)
        self._unseen |= claims.lines
        tree = ast.fix_missing_locations(claims.visit(tree))
        code = compile(tree, self.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            if code.co_flags & inspect.CO_COROUTINE:
                self._runner.run(eval(code, self.namespace))
            else:
                exec(code, self.namespace)
        if sample.printed is not None:
            self._compare(printed.getvalue(), sample.printed, sample.line)

    def _gives(self, value: Any, claim: str, line: int) -> None:
        self._compare(repr(value), claim, line)
        self._unseen.discard(line)

    @contextlib.contextmanager
    def _raises(self, claim: str, line: int) -> Iterator[None]:
        name, _, message = claim.partition(": ")
        try:
            yield
        except Exception as error:
            self._compare(type(error).__name__, name, line)
            if message:
                self._compare(str(error), message, line)
        else:
            raise AssertionError(f"{self.name}:{line} does not raise {claim}")
        self._unseen.discard(line)

    def _compare(self, real: str, claim: str, line: int) -> None:
        pattern = re.escape(claim.strip()).replace("…", ".*")
        if not re.fullmatch(pattern, real.strip(), re.DOTALL):
            raise AssertionError(
                f"{self.name}:{line} claims {claim.strip()}\nbut has {real.strip()}"
            )


class _Claims(ast.NodeTransformer):
    """Turns ``expression  # → repr`` and ``statement  # raises Error`` into checks.

    The comment may also be a line of its own after the statement.
    """

    def __init__(self, sample: Sample) -> None:
        readable = io.StringIO(sample.source).readline
        self._comments = {
            (token.start[0] + sample.line, token.line.lstrip().startswith("#")): token.string
            for token in tokenize.generate_tokens(readable)
            if token.type == tokenize.COMMENT
        }
        self.lines = {
            line for (line, _), text in self._comments.items() if text.startswith(_CLAIMS)
        }

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        claim = self._claim(node, _GIVES)
        if claim:
            node.value = ast.Call(ast.Name("_gives", ast.Load()), [node.value, *claim], [])
            return node
        return self._raising(node)

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        return self._raising(node)

    def visit_Delete(self, node: ast.Delete) -> ast.stmt:
        return self._raising(node)

    def _raising(self, node: ast.stmt) -> ast.stmt:
        claim = self._claim(node, _RAISES)
        if not claim:
            return node
        check = ast.Call(ast.Name("_raises", ast.Load()), [*claim], [])
        return ast.copy_location(ast.With([ast.withitem(check)], [node]), node)

    def _claim(self, node: ast.stmt, mark: str) -> list[ast.expr]:
        end = node.end_lineno or 0
        for line, alone in ((end, False), (end + 1, True)):
            comment = self._comments.get((line, alone), "")
            if comment.startswith(mark):
                return [ast.Constant(comment.removeprefix(mark)), ast.Constant(line)]
        return []
