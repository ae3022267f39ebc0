"""corduroy: CouchDB for Tornado and asyncio, in three calling styles."""

from . import defaults
from .bulk.writer import Writer
from .conflicts import ConflictResolution
from .couch import Couch
from .database import Database
from .documents import Document
from .errors import (
    AnswerTooLarge,
    BadRequest,
    Conflict,
    ConnectionFailed,
    DigestMismatch,
    ExpectationFailed,
    Forbidden,
    Gone,
    HTTPError,
    NotAcceptable,
    NotFound,
    PreconditionFailed,
    RangeNotSatisfiable,
    ReplicationFailed,
    RequestTimeout,
    ServerError,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    UnsupportedMediaType,
)
from .feeds import Change, ChangesFeed, DatabaseUpdate, FeedState
from .found import FindResult
from .hits import Hit, SearchResult
from .local import LocalDocument
from .node import Node
from .partition import Partition
from .relax import relax
from .resharding import Resharding
from .status import Status
from .transport.auth import BasicAuth, CookieAuth, JWTAuth, ProxyAuth
from .transport.events import RequestEvent
from .views import Page, Row, ViewResult

__all__ = [
    "AnswerTooLarge",
    "BadRequest",
    "BasicAuth",
    "Change",
    "ChangesFeed",
    "Conflict",
    "ConflictResolution",
    "ConnectionFailed",
    "CookieAuth",
    "Couch",
    "Database",
    "DatabaseUpdate",
    "DigestMismatch",
    "Document",
    "ExpectationFailed",
    "FeedState",
    "FindResult",
    "Forbidden",
    "Gone",
    "HTTPError",
    "Hit",
    "JWTAuth",
    "LocalDocument",
    "Node",
    "NotAcceptable",
    "NotFound",
    "Page",
    "Partition",
    "PreconditionFailed",
    "ProxyAuth",
    "RangeNotSatisfiable",
    "ReplicationFailed",
    "RequestEvent",
    "RequestTimeout",
    "Resharding",
    "Row",
    "SearchResult",
    "ServerError",
    "Status",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "UnsupportedMediaType",
    "ViewResult",
    "Writer",
    "defaults",
    "relax",
]
