"""Delivery: the way of one batch of documents to the server, past whatever breaks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from .. import shapes
from ..asking import JSON, ask_json
from ..calls import pause
from ..conflicts import Merge, merged_by, over, replace
from ..doubts import written_as
from ..drafts import Draft, Merged, failure_of, in_order
from ..errors import HTTPError, TooLarge, may_pass
from ..lookups import rows_of, server_docs
from ..server import Place
from ..transport.backoff import Backoff, retry_after
from ..transport.messages import Request
from ..transport.tls import is_distrust
from .account import CONFLICT, UNKNOWN, UNSENT, Account
from .batches import Batch

log = logging.getLogger("corduroy.bulk")

T = TypeVar("T")

_LONGEST = 10.0  # seconds between two attempts, as far as it is up to us


class Deletion(Draft):
    """A document to be deleted, in whatever revision it is in then if it has none.

    Args:
        id (str): its id.
        rev (str | None): the revision.
    """

    __slots__ = ()

    def __init__(self, id: str, rev: str | None) -> None:
        super().__init__({"_id": id, **({"_rev": rev} if rev else {}), "_deleted": True}, "doc")


class _Written(msgspec.Struct, gc=False):
    """What a server says of a document that it has written."""

    ok: bool
    id: str
    rev: str


_decode_written = msgspec.json.Decoder(list[_Written]).decode


def _revs_of(
    answer: bytes | bytearray, ids: list[str | None], new_edits: bool
) -> list[str | None] | None:
    """The new revisions of documents, if a server says that all are written, and in their order.

    Without new edits it tells of failures only, and a written document's is None.
    """
    if not new_edits:
        return [None] * len(ids) if answer.strip() == b"[]" else None
    try:
        written = _decode_written(answer)
    except ValueError:
        return None
    return [one.rev for one in written] if [one.id for one in written] == ids else None


def _lacks_rev(draft: Draft) -> bool:
    """Whether it is to be found out which revision is to be deleted."""
    return type(draft) is Deletion and "_rev" not in draft.doc


@dataclass
class Terms:
    """What the deliveries of one writer have in common.

    Args:
        place (Database): where to.
        account (Account): where every document is taken down.
        merge: as of `Database.save`.
        new_edits (bool): as of `Database.save`.
        max_retries (int | None): how many failures in a row one bears.

    Attributes:
        fail: is told of what ends them all; set by who sends them.
        ending (bool): whether there is to be no more trying.
        most (int | None): how many bytes the server has refused to take at once.
        since (int | str | None): a seq of the database's from before anything was sent.
    """

    place: Place[Any]
    account: Account
    merge: Merge | None
    new_edits: bool
    max_retries: int | None
    fail: Callable[[BaseException], None] = field(init=False)
    ending: bool = False
    most: int | None = None
    since: Any = None

    @property
    def wary(self) -> bool:
        """Whether a request may have gone out twice without our knowing: curl sends one again on a new
        connection, where the old one has died."""
        return self.place._session.http_client is not None


class Delivery:
    """The way of one batch. However it ends, every document of it is accounted for.

    Args:
        terms (Terms): the writer's.
        batch (Batch): the documents.
        whole (Delivery | None): the delivery that this one is a part of.

    Attributes:
        pausing (bool): whether it, or a part of it, waits, after a failure, to try again.
    """

    def __init__(self, terms: Terms, batch: Batch, whole: Delivery | None = None) -> None:
        self.pausing = False
        self._whole: Delivery = whole or self
        self._terms = terms
        self._left = batch  # what is not accounted for
        self._unwritten = UNSENT  # what is said of these if they are given up, and…
        self._unsure = False  # …no request is on its way, or was lost
        self._doubted = terms.wary  # whether there ever was one that was lost
        self._backoff = Backoff(most=_LONGEST)
        self._seen: dict[str, Any] = {}

    async def run(self) -> None:
        """Write the batch; an operation."""
        try:
            if self._left and not self._terms.ending:
                await self._patiently(self._prepare)
            while self._left and not self._terms.ending:
                await self._write()
        except BaseException as error:
            self._give_up(error)
            if not isinstance(error, Exception):
                raise
        else:
            if self._left:
                self._give_up(None)

    def _give_up(self, error: BaseException | None) -> None:
        left, self._left = self._left, Batch()
        what = UNKNOWN if self._unsure else self._unwritten
        said = "the writer was ended" if error is None else str(error) or type(error).__name__
        account = self._terms.account
        account.lose(left.drafts(), what, said)
        if isinstance(error, Exception):
            self._terms.fail(error)
        account.tell()

    async def _patiently(self, step: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Take a step, again and again if what keeps it from success may pass."""
        terms, backoff = self._terms, self._backoff
        while True:
            try:
                result = await step()
            except HTTPError as error:
                if (
                    not may_pass(error)
                    or is_distrust(error.__cause__)
                    or terms.ending
                    or backoff.failures == terms.max_retries
                ):
                    raise
                delay = backoff.delay(retry_after(error.status.headers.get("Retry-After")))
                log.info("%s: a batch goes on in %.1f s: %s", terms.place._path, delay, error)
                self._whole.pausing = True
                await pause(delay)
                self._whole.pausing = False
                if terms.ending:
                    raise
            else:
                backoff.start_over()
                return result

    async def _prepare(self) -> None:
        """Give ids to documents that have none, and revisions to those that are to be deleted.

        Endpoints: ``GET /{db}``, ``GET /_uuids``, ``POST /{db}/_all_docs``.
        """
        place = self._terms.place
        if self._terms.since is None:
            seq = (await ask_json("GET", place._path, shape=shapes.Progressing))["update_seq"]
            self._terms.since = seq if self._terms.since is None else self._terms.since
        if nameless := self._left.ids.count(None):
            self._left.name(await place._server.spare_uuids(nameless))
        unread = [draft for draft in self._left.odd.values() if _lacks_rev(draft)]
        if not unread:
            return
        rows = await rows_of(place._path, [str(draft.id) for draft in unread])
        account = self._terms.account
        left: list[Draft] = []
        for draft in self._left.drafts():
            if not _lacks_rev(draft):
                left.append(draft)
                continue
            row = rows[str(draft.id)]
            value = row.get("value") or {"rev": (row.get("doc") or {}).get("_rev")}
            if value["rev"] is None or value.get("deleted"):
                reason = "deleted" if value.get("deleted") else "missing"
                account.refuse(draft, {"error": "not_found", "reason": reason})
            else:
                left.append(Deletion(str(draft.id), value["rev"]))
        self._left = Batch(left)
        account.tell()

    async def _write(self) -> None:
        """Send what is left; afterwards there are left such as were in conflict, and are merged."""
        try:
            conflict = await self._patiently(self._send)
        except TooLarge as error:
            await self._split(error)
            return
        if self._left and self._doubted:
            await self._patiently(self._sift)
        if self._left:
            docs = await self._patiently(self._look_up)
            self._merge(docs, conflict)
        self._terms.account.tell()

    async def _send(self) -> str:
        """Send what is left; afterwards there are left those in conflict.

        Returns:
            str: what the server says of these.

        Endpoint: ``POST /{db}/_bulk_docs``.
        """
        terms = self._terms
        if self._unsure and terms.new_edits:
            await self._sift()
            if not self._left:
                return ""
        batch = self._left
        fields = b"" if terms.new_edits else b',"new_edits":false'
        self._unsure = True
        try:
            answer = await Request(
                "POST",
                f"{terms.place._path}/_bulk_docs",
                body=b'{"docs":[%b]%b}' % (b",".join(batch.bodies), fields),
                headers=JSON,
                retries=0,
            )
            revs = _revs_of(answer.body, batch.ids, terms.new_edits)
            results = answer.json(list[shapes.Result]) if revs is None else []
        except HTTPError as error:
            self._unsure = error.code >= 500 or error.code < 300
            self._doubted = self._doubted or self._unsure
            raise
        if revs is not None:
            self._unsure = False
            self._left = Batch()
            terms.account.take_whole(batch, revs)
            return ""
        drafts = batch.drafts()
        if not terms.new_edits:
            results = [failure_of(draft, results) for draft in drafts]
        else:
            results = in_order(results, drafts)
        self._unsure = False
        self._unwritten = CONFLICT
        self._left = Batch(terms.account.take(drafts, results))
        return next((one["reason"] for one in results if one.get("error") == CONFLICT), "")

    async def _sift(self) -> None:
        """Take those out of what is left that are written already."""
        account, drafts = self._terms.account, self._left.drafts()
        revs = await written_as(self._terms.place._path, drafts, self._terms.since)
        self._unsure = False
        self._left = Batch(draft for draft, rev in zip(drafts, revs, strict=True) if rev is None)
        written = [(draft, rev) for draft, rev in zip(drafts, revs, strict=True) if rev is not None]
        results = [{"ok": True, "id": draft.id, "rev": rev} for draft, rev in written]
        account.take([draft for draft, _ in written], results)
        account.tell()

    async def _look_up(self) -> dict[str, Any]:
        return await server_docs(self._terms.place._path, list(map(str, self._left.ids)))

    def _merge(self, docs: dict[str, Any], reason: str) -> None:
        """Account for those in conflict, or merge them."""
        account, merge = self._terms.account, self._terms.merge
        merged, settled, stuck = [], [], []
        seen: dict[str, Any] = {}
        for draft in self._left.drafts():
            id = str(draft.id)
            doc = docs[id]
            chosen = None
            # Where nobody else has moved, trying again would change nothing.
            if merge is not None and self._seen.get(id, self) != doc.get("_rev"):
                chosen = merged_by(merge, draft.doc, doc)
            if chosen is None:
                stuck.append(draft)
            elif chosen.get("_deleted") and doc.get("_deleted"):  # no server deletes it twice
                settled.append((draft, {**chosen, **doc}))
            else:
                seen[id] = doc.get("_rev")
                merged.append(Merged(draft, over(doc, chosen)))
        self._left = Batch(merged)
        self._seen = seen
        self._doubted = self._terms.wary  # these were never sent
        for draft in stuck:
            account.conflict(draft, reason, docs[str(draft.id)])
        for draft, content in settled:
            replace(draft.doc, content, {})
            account.take([draft], [{"ok": True, "id": draft.id, "rev": content.get("_rev")}])

    async def _split(self, error: TooLarge) -> None:
        """Send a batch that is too large for the server in halves."""
        drafts, account = self._left.drafts(), self._terms.account
        if len(drafts) == 1:
            self._left = Batch()
            said = {"error": "too_large", "reason": error.reason or str(error)}
            account.refuse(drafts[0], said)
            account.tell()
            return
        if error.error != "document_too_large":
            size = sum(len(draft.body) for draft in drafts) // 2
            self._terms.most = min(size, self._terms.most or size)
        half = len(drafts) // 2
        self._left = Batch(drafts[half:])
        part = Delivery(self._terms, Batch(drafts[:half]), self._whole)
        part._unwritten, part._doubted, part._seen = self._unwritten, self._doubted, self._seen
        await part.run()
