"""What a program may set once, for every `Couch` and `Database` that it makes.

Each value is read at the time of use, so that ``corduroy.defaults.host = "http://db.internal"`` counts
for whatever is made, and for whatever is sent, afterwards.
"""

from __future__ import annotations

from typing import Any

host: str = "http://127.0.0.1"
"""The server of a `Couch` without an url, where the environment has no ``COUCHDB_URL``."""

port: int = 5984
"""Its port."""

uuid_cache: int = 50
"""How many uuids are fetched at a time for documents that have no ``_id``."""

document: type[dict[str, Any]]
"""The class of the documents that calls return: `Document`, or one that takes a dict as it does."""

mapping: type[dict[str, Any]]
"""The class of the objects inside documents, made of a dict."""

connect_timeout: float = 20.0
"""How many seconds an attempt has until its connection must stand, the wait for a free one included; 0
is no limit."""

request_timeout: float = 60.0
"""How many seconds a call may take with all that belongs to it (waiting for its turn, connecting,
trying again, the body), where neither it nor its `Couch` has a ``timeout``; 0 is no limit. For what
takes its time by nature it is how long the server may be silent; see the guide's "Deadlines and
retries"."""

retries: int = 3
"""How often a request that has failed is tried again, where that can do no harm, and neither the call
nor its `Couch` says otherwise; 0 sends it once."""

retry_budget: int = 100
"""How many retries one `Couch` can have spent, of which each request that succeeds gives back a fifth:
what keeps all who wait from hammering a server that is ill. 0 makes it none."""

max_body_size: int = 1024 * 1024 * 1024
"""How many bytes an answer may have that is held whole, both as it comes and decompressed; and a row of
a stream, or a change of a feed. What is larger is an `AnswerTooLarge`; 0 is no limit."""

max_header_size: int = 64 * 1024
"""How many bytes an answer may have before its body; 0 is no limit."""

max_clients: int = 64
"""How many requests one `Couch` has under way at once, on one event loop. Others wait their turn.
(Another client than corduroy's own, of a class that the `Couch` was given, reads it once.)"""

bulk_count: int = 2000
"""How many documents go in one ``_bulk_docs`` request at most."""

bulk_bytes: int = 4 * 1024 * 1024
"""How many bytes of documents go in one ``_bulk_docs`` request at most (one document always does)."""
