"""Work on a few thousand documents: save them, page through a view, change them, settle conflicts.

    python -m corduroy.testing -- python examples/batch.py

Needs tqdm for its progress bars: pip install 'corduroy[progress]'
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from itertools import islice
from secrets import token_hex
from typing import Any, Literal

from corduroy import Couch, Database, Document, Row

try:
    from tqdm import tqdm
except ImportError:
    sys.exit("batch.py shows its progress with tqdm: pip install 'corduroy[progress]'")

# "blocking" makes the types exact: mypy knows that db.view(…) is a ViewResult.
Orders = Database[Literal["blocking"]]

AT_A_TIME = 1000
MAP = "function (doc) { emit([doc.paid ? 'paid' : 'open', doc._id], doc.amount) }"
DESIGN = {"_id": "_design/orders", "views": {"state": {"map": MAP, "reduce": "_stats"}}}


def generate(count: int) -> Iterator[dict[str, Any]]:
    """Make orders up, the same ones each time."""
    dice = random.Random(count)
    for number in range(count):
        amount = dice.randint(1, 500)
        yield {"_id": f"order-{number:06}", "amount": amount, "paid": False}


def lists(docs: Iterator[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    """The documents in lists of a size that the server, and this program, can well bear."""
    while several := list(islice(docs, size)):
        yield several


def pages(db: Orders, view: str, size: int, **options: Any) -> Iterator[list[Row]]:
    """A view's rows, page by page.

    One row more than the page is asked for: the next page starts at its key, which no other row has.
    So no page is slower than the first one, as they are with ``skip``, and none is moved by what is
    saved in between.
    """
    while True:
        rows = db.view(view, limit=size + 1, reduce=False, **options)
        yield rows[:size]
        if len(rows) <= size:
            return
        options = {**options, "startkey": rows[size].key}


def save_orders(db: Orders, count: int) -> None:
    """Save new orders, list by list."""
    with tqdm(total=count, desc="saving", unit=" docs") as bar:
        for orders in lists(generate(count), AT_A_TIME):
            db.save(orders)
            bar.update(len(orders))


def pay_orders(db: Orders, count: int) -> list[Any]:
    """Mark the open orders as paid, page by page.

    Returns:
        list of ConflictResolution: those with orders that somebody else has changed meanwhile.
    """
    conflicts: list[Any] = []
    still_open = {"startkey": ["open"], "endkey": ["open", {}]}
    with tqdm(total=count, desc="paying", unit=" docs") as bar:
        for rows in pages(db, "orders/state", AT_A_TIME, include_docs=True, **still_open):
            orders: list[Document] = [row.doc for row in rows]
            ask_for_gift_wrap(db, orders[len(orders) // 2]._id)
            for order in orders:
                order.paid = True
            saved = db.save(orders)
            if saved.pending:
                conflicts.append(saved)
            bar.update(len(orders))
    return conflicts


def ask_for_gift_wrap(db: Orders, id: str) -> None:
    """What somebody else does to an order while this program works on it."""
    order = db.get(id)
    order.wrap = "gift"
    db.save(order)


def paid_too(local: Document, server: Document) -> Document:
    """The merge: what the server has is kept, and is paid."""
    server.paid = local.paid
    return server


def report(db: Orders) -> None:
    """Print how many orders there are in each state, and their worth."""
    for row in db.view("orders/state", group_level=1):
        print(f"{row.key[0]}: {row.value.count:,} orders worth {row.value.sum:,}")


def main() -> None:
    """Do the whole work in a database of its own, which is gone afterwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000, help="how many documents")
    count = parser.parse_args().count
    with Couch(style="blocking") as couch:
        db = couch.create(f"batch-{token_hex(3)}")
        print("database", db.name)
        try:
            db.save(DESIGN)
            save_orders(db, count)
            report(db)
            conflicts = pay_orders(db, count)
            report(db)
            for resolution in conflicts:
                for id, entry in resolution.pending.items():
                    wrap = entry["server_doc"].wrap
                    print(f"{entry['error']}: {id} has been changed, its wrap is {wrap!r} now")
                resolution.resolve(paid_too)
            report(db)
        finally:
            couch.delete(db.name)


if __name__ == "__main__":
    main()
