"""Sphinx configuration: the guide is MyST markdown, the reference comes from the docstrings."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "ext"))

project = "corduroy"
author = "Corduroy contributors"
copyright = "Corduroy contributors"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser", "endpoint_table"]
html_theme = "furo"
html_title = "corduroy"
html_copy_source = False
myst_heading_anchors = 3  # other pages can link to a heading

# A single backtick links to what the reference has. Every name must be found, but for those of other
# projects, whose indexes a build without network cannot ask for.
default_role = "py:obj"
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(asyncio|ssl|tornado|dict|pandas)\..*"),
    ("py:.*", r"AsyncHTTPClient|HTTPRequest|IOLoop|RequestHandler|Path|Mapping|iterable"),
    ("py:class", r"str to \w+"),  # dict of str to str
]

# The docstrings tell the types.
autodoc_typehints = "none"
autodoc_default_options = {"members": True}
add_module_names = False


def setup(app):
    app.connect("missing-reference", find_public_name)


def find_public_name(app, env, node, content):
    """Look for a name in `corduroy`, in whichever of its modules the docstring stands."""
    if node.get("refdomain") != "py":
        return None
    domain, name = env.get_domain("py"), f"corduroy.{node['reftarget']}"
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, content)
