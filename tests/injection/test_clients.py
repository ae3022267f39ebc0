"""What another client makes of an address: Tornado's own take urls apart again, and so does curl."""

from __future__ import annotations

from typing import Any

import pytest
from tornado.curl_httpclient import CurlAsyncHTTPClient
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from tests.injection import test_paths, test_server_paths
from tests.injection.conftest import Wire
from tests.injection.inputs import names
from tests.injection.meaning import Meant, segment

SHOW = ("d", "_design", "d", "_show", "f")
KEPT = ["get", "view", "rewrite", "put_attachment", "database", "config", "partition", "copy from"]
BUILDERS = test_paths.BUILDERS | test_server_paths.BUILDERS


@pytest.fixture(scope="module", params=[SimpleAsyncHTTPClient, CurlAsyncHTTPClient])
def foreign(request):
    """A Couch that goes through another client."""
    wire = Wire(request.param)
    yield wire
    wire.close()


@pytest.mark.parametrize("name", KEPT)
def test_a_name_reaches_the_path_that_it_means(foreign, name):
    builder = BUILDERS[name]

    def meant(text: str) -> list[Meant] | None:
        path = builder.path(text)
        return None if path is None else builder.meant(path)

    foreign.hold(builder.argument, builder.call, meant, names()[::50])


def test_a_value_is_that_of_its_parameter_beside_whatever_path(foreign):
    """All of the texts, since the client gets both in one address."""

    def meant(text: str) -> list[Meant] | None:
        path = segment(text)
        return path and [
            Meant("GET", [*SHOW, *path], {"own": path[0], "other": "&"}, {"accept": "*/*"})
        ]

    def call(couch: Any, text: str) -> Any:
        return couch.database("d").show("d/f", text, own=text, other="&")

    foreign.hold("", call, meant, [text for text in names() if not text.startswith("_")])
