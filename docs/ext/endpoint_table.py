"""A Sphinx directive, ``endpoint-table``: the endpoints, and the methods that reach them."""

from __future__ import annotations

from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from endpoints import methods_by_endpoint
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_HEAD = """\
.. list-table::
   :header-rows: 1
   :widths: 60 40

   * - Endpoint
     - Methods
"""


class EndpointTable(SphinxDirective):
    """The table of CouchDB 3's endpoints; with the option ``old`` that of CouchDB 1.x's own."""

    option_spec: ClassVar[dict[str, Any]] = {"old": directives.flag}

    def run(self) -> list[nodes.Node]:
        rows = [
            f"   * - ``{endpoint}``\n     - {', '.join(map(_link, methods))}\n"
            for endpoint, methods in methods_by_endpoint(old="old" in self.options).items()
        ]
        return self.parse_text_to_nodes(_HEAD + "".join(rows))


def _link(method: str) -> str:
    return f":py:obj:`{method} <corduroy.{method}>`"


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("endpoint-table", EndpointTable)
    return {"parallel_read_safe": True}
