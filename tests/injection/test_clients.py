"""What another client makes of an address: Tornado's own take urls apart again, and so does curl."""

from __future__ import annotations

import pytest
from tornado.curl_httpclient import CurlAsyncHTTPClient
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from tests.injection.conftest import Wire
from tests.injection.inputs import names
from tests.injection.meaning import Meant, any_text
from tests.injection.test_paths import BUILDERS

KEPT = ["get", "view", "rewrite", "put_attachment", "database", "config", "partition", "copy from"]


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


def test_a_value_is_that_of_its_parameter(foreign):
    def meant(text: str) -> list[Meant] | None:
        found = any_text(text)
        path = ["d", "_design", "d", "_show", "f"]
        return found and [Meant("GET", path, {"own": found[0]}, {"accept": "*/*"})]

    foreign.hold("own", lambda c, text: c.database("d").show("d/f", own=text), meant, names()[::50])
