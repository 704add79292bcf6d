"""Where a poll stands, and what follows from a page: pure.

WooCommerce dates have whole seconds, `modified_after` is exclusive, and rows of one second have no
order of their own under `orderby=modified`, so neither page numbers nor an id tie-break are safe
there. Therefore a poll takes whole seconds that are over (the shop's clock is `settle_s` past
them), and reads what does not fit a page (a second of a bulk edit, the first load) by id, where
the order is total, with the total watched: rows that leave meanwhile move the others forward.

Offset, one of three:
    {"after": T}                                    everything modified up to T is delivered
    {"after": T, "second": S, "page": n, "total": t}    inside second S, read by id
    {"then": T, "page": n, "total": t}              first load by id; changes since T come next

Customers cannot be asked for by date: `sweep` reads all of them by id, again and again.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from omnihub.connect.sdk import Offset
from omnihub_connectors.woocommerce.payload import Row
from omnihub_connectors.woocommerce.rest import Page, Params

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Step:
    """What one page yields: the rows to deliver (as JSON), and where to go on."""

    rows: list[msgspec.Raw]
    next: Offset | None
    more: bool


def query(at: Offset | None, status: str, page_size: int) -> Params:
    """Return the collection parameters for the page at `at`."""
    params: Params = {"per_page": page_size, "status": status, "order": "asc"}
    if at is None or "then" in at:
        return params | {"orderby": "id", "page": at["page"] if at else 1}
    params["dates_are_gmt"] = "true"
    if "second" in at:
        second = _moment(at["second"])
        return params | {
            "orderby": "id",
            "page": at["page"],
            "modified_after": _text(second - SECOND),
            "modified_before": _text(second + SECOND),
        }
    return params | {"orderby": "modified", "page": 1, "modified_after": at["after"]}


def advance(at: Offset | None, page: Page, page_size: int, settle_s: int) -> Step:
    """Return what the page at `at` yields."""
    rows = msgspec.json.decode(page.body, type=list[msgspec.Raw])
    horizon = _text(page.answered_at - timedelta(seconds=settle_s))
    if at is None:
        return _by_id({"then": horizon, "page": 1, "total": page.total}, rows, page, page_size)
    if "page" in at:
        return _by_id(at, rows, page, page_size)
    return _by_time(at, rows, page, horizon)


def sweep(at: Offset | None, page: Page, page_size: int) -> Step:
    """Return what the page at `at` of a collection read by id from start to end yields."""
    rows = msgspec.json.decode(page.body, type=list[msgspec.Raw])
    start = {"then": None, "page": 1, "total": page.total}
    step = _by_id(at or start, rows, page, page_size)
    is_over = step.next is not None and "after" in step.next
    return Step(rows, None, more=False) if is_over else step


def start_now(page: Page, settle_s: int) -> Step:
    """Return the step of a stream that looks only at what happens from now on."""
    return Step([], {"after": _text(page.answered_at - timedelta(seconds=settle_s))}, more=False)


def _by_time(at: Offset, rows: list[msgspec.Raw], page: Page, horizon: str) -> Step:
    """Take the seconds of the page that are over and wholly in it."""
    seconds = [_second(row) for row in rows]
    over = [second for second in seconds if second <= horizon]
    if not over:
        return Step([], at, more=False)
    is_cut = len(over) == len(rows) and page.total > len(rows)
    if not is_cut:
        return Step(rows[: len(over)], {"after": over[-1]}, more=False)
    whole = [second for second in over if second < over[-1]]
    if not whole:
        inside = {"after": at["after"], "second": over[-1], "page": 1, "total": 0}
        return Step([], inside, more=True)
    return Step(rows[: len(whole)], {"after": whole[-1]}, more=True)


def _by_id(at: Offset, rows: list[msgspec.Raw], page: Page, page_size: int) -> Step:
    """Take the page, after stepping back over what may have moved forward."""
    left = at["total"] - page.total
    if left > 0 and at["page"] > 1:
        back = max(1, at["page"] - math.ceil(left / page_size))
        return Step([], {**at, "page": back, "total": page.total}, more=True)
    if at["page"] < page.pages:
        return Step(rows, {**at, "page": at["page"] + 1, "total": page.total}, more=True)
    return Step(rows, {"after": at["second"] if "second" in at else at["then"]}, more=True)


def _second(row: msgspec.Raw) -> str:
    # A row without date is older than every dated one, for the shop's ordering too.
    return msgspec.json.decode(row, type=Row).date_modified_gmt or ""


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    # Without zone: a `Z` would make WordPress shift the date into the shop's own zone.
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
