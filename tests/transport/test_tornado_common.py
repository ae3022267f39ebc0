"""What Tornado's own tests expect of any client, asked of ours."""

import logging

import pytest
from tornado.test import httpclient_test
from tornado.testing import gen_test

from corduroy.transport import KeepAliveHTTPClient


@pytest.fixture(autouse=True)
def quiet():
    """Some of Tornado's tests assert that nothing is logged; its server logs every refusal."""
    access = logging.getLogger("tornado.access")
    level = access.level
    access.setLevel(logging.CRITICAL)
    yield
    access.setLevel(level)


class TestAsAnyClient(httpclient_test.HTTPClientCommonTestCase):
    def get_http_client(self):
        return KeepAliveHTTPClient(force_instance=True)

    @gen_test
    async def test_error_after_cancel(self):
        """Tornado's clients log the error that follows; ours ends the exchange, so none follows."""
        with self.assertNoLogs():
            future = self.http_client.fetch(self.get_url("/404"))
            assert future.cancel()
            response = await self.http_client.fetch(self.get_url("/hello"))
        assert response.body == b"Hello world!"


class TestMaxBodySize(httpclient_test.HTTPClientMaxBodySizeTestCase):
    def get_http_client(self):
        return KeepAliveHTTPClient(force_instance=True, max_body_size=httpclient_test.MAX_BODY_SIZE)
