"""A disposable CouchDB server for anyone's tests.

>>> from corduroy.testing import Server
>>> with Server() as server:
...     print(server.url)
http://127.0.0.1:…

By hand it is ``python -m corduroy.testing``; for pytest there are the fixtures of
`corduroy.testing.plugin`, which every environment with corduroy has.
"""

from corduroy.testing.node import ServerFailed
from corduroy.testing.server import Server

__all__ = ["Server", "ServerFailed"]
