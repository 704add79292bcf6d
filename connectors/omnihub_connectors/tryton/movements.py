"""Writes the hub's movements into Tryton, in few documents and each once.

Tryton lets no bare move leave a storage location over RPC, so movements go as internal shipments
between a place and lost-and-found: one per way and day, at most `MAX_LINES` lines.

Guarantees: one effect per command over crashes, time-outs and other batches. A document has no
effect before `do`, and only documents that own all their tokens get there: of two with the same
token (a create whose answer was lost) the younger is cancelled. Half-done documents are finished.
One line that Tryton refuses takes no other with it.
Does not: keep the order of movements; they are sums, and negative stock is accepted.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import TypeVar
from zoneinfo import ZoneInfo

from omnihub.connect.errors import Refused
from omnihub.connect.sdk import Refs
from omnihub.model.errors import OmniHubError, Unmapped
from omnihub.model.ids import CommandId, LocationId
from omnihub.model.records import RecordMovement
from omnihub.model.time import from_us
from omnihub_connectors.tryton.catalogue import Article, Catalogue
from omnihub_connectors.tryton.journal import (
    SHIPMENT,
    Document,
    Journal,
    Token,
    owners,
    reference_of,
    token_of,
)
from omnihub_connectors.tryton.outcome import Outcome
from omnihub_connectors.tryton.rpc import Row, TrytonRpc

MAX_LINES = 50
BUTTONS = ("wait", "assign_force", "do")
BUTTONS_IN_TRANSIT = ("wait", "assign_force", "pack", "ship", "do")
"""Between two warehouses goods are on the road for a while, here for a moment."""
CLOCK_TOLERANCE = timedelta(days=1)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Way:
    """What the lines of one document have in common: ids of locations, and the day."""

    source: int
    target: int
    day: date


@dataclass(frozen=True, slots=True)
class Line:
    """One command, in Tryton's words."""

    command_id: CommandId
    token: Token
    way: Way
    article: Article
    quantity: float


class MovementSink:
    """Writes movements through one account."""

    def __init__(self, rpc: TrytonRpc, catalogue: Catalogue, refs: Refs, zone: ZoneInfo) -> None:
        self._rpc = rpc
        self._catalogue = catalogue
        self._journal = Journal(rpc)
        self._refs = refs
        self._zone = zone

    async def write(self, commands: Sequence[RecordMovement], outcome: Outcome) -> None:
        """Carry out `commands`; note the number of the document of each.

        Raises:
            Transient, RateLimited, AuthFailed: of those not noted nothing is known; ask again.
        """
        since = from_us(min(each.accepted_at_us for each in commands)).replace(tzinfo=None)
        # In one turn: stock is what everybody waits for, and a document half done helps nobody.
        async with self._rpc.turn():
            lines = await self._lines(commands, outcome)
            await self._record(lines, since - CLOCK_TOLERANCE, outcome)

    async def _record(self, lines: Sequence[Line], since: datetime, outcome: Outcome) -> None:
        by_token = {line.token: line for line in lines}
        documents = await self._journal.find(by_token, since)
        documents = await self._without_strays(documents, by_token, since)
        known = owners(documents)
        if missing := [line for line in lines if line.token not in known]:
            await self._create(_drafts(missing), outcome)
            # Looked up again: a create of ours whose answer was lost may have landed meanwhile.
            documents = await self._journal.find(by_token, since)
            documents = await self._without_strays(documents, by_token, since)
        refusals = await self._finish([each for each in documents if not each.is_done])
        await self._report(by_token, since, refusals, outcome)

    async def _without_strays(
        self, documents: list[Document], wanted: Iterable[Token], since: datetime
    ) -> list[Document]:
        """Cancel documents that hold a token of another; return those that are left."""
        known = owners(documents)
        strays = [
            each.id
            for each in documents
            if not each.is_done and any(known[token] is not each for token in each.tokens)
        ]
        if not strays:
            return documents
        await self._rpc.press(SHIPMENT, "cancel", strays)
        return await self._journal.find(wanted, since)

    async def _create(self, drafts: list[list[Line]], outcome: Outcome) -> None:
        """Create a document per draft in one transaction; what is refused is split and tried again.

        The answer's ids are not needed: documents are looked up by what they carry.
        """
        if not drafts:
            return
        try:
            await self._rpc.create(SHIPMENT, [_shipment(lines) for lines in drafts])
        except Refused as error:
            if len(drafts) == len(drafts[0]) == 1:
                outcome.fail(drafts[0], error)
                return
            for half in _halves(drafts):
                await self._create(half, outcome)

    async def _finish(self, documents: Sequence[Document]) -> dict[int, Refused]:
        """Bring documents to `done`; return why some are not, by id."""
        direct = [each.id for each in documents if not each.in_transit]
        by_road = [each.id for each in documents if each.in_transit]
        return {
            **await self._press_all(BUTTONS, direct),
            **await self._press_all(BUTTONS_IN_TRANSIT, by_road),
        }

    async def _press_all(self, buttons: Sequence[str], ids: list[int]) -> dict[int, Refused]:
        if not ids:
            return {}
        try:
            for button in buttons:
                await self._rpc.press(SHIPMENT, button, ids)
        except Refused as error:
            if len(ids) == 1:
                return {ids[0]: error}
            middle = len(ids) // 2
            first, second = ids[:middle], ids[middle:]
            return {
                **await self._press_all(buttons, first),
                **await self._press_all(buttons, second),
            }
        return {}

    async def _report(
        self,
        by_token: dict[Token, Line],
        since: datetime,
        refusals: dict[int, Refused],
        outcome: Outcome,
    ) -> None:
        """Tell of each line what Tryton itself now shows."""
        known = owners(await self._journal.find(by_token, since))
        for token, line in by_token.items():
            if line.command_id in outcome.failed:
                continue
            document = known.get(token)
            if document is not None and document.is_done:
                outcome.done[line.command_id] = f"shipment {document.number}"
            else:
                refusal = refusals.get(document.id) if document is not None else None
                outcome.fail([line], refusal or _stuck(document))

    async def _lines(self, commands: Sequence[RecordMovement], outcome: Outcome) -> list[Line]:
        """Put commands into Tryton's words; those it has no words for fail alone."""
        articles = await self._catalogue.articles(
            code for each in commands if (code := self._code("sku", each.sku)) is not None
        )
        sides = {side for each in commands for side in (each.from_location, each.to_location)}
        codes = {side: self._code("location", side) for side in sides if side is not None}
        places = await self._catalogue.locations(code for code in codes.values() if code)
        ids = {side: places.get(code) for side, code in codes.items() if code}
        outside = await self._catalogue.outside()
        lines = []
        for command in commands:
            try:
                way = self._way(command, ids, outside)
                lines.append(_line(command, way, self._article(command, articles)))
            except OmniHubError as error:
                outcome.failed[command.command_id] = error
        return lines

    def _way(self, command: RecordMovement, ids: dict[LocationId, int | None], outside: int) -> Way:
        """Return between which locations `command` moves goods; what Tryton lacks is outside."""
        target = LocationId(command.target)
        if ids.get(target) is None:
            code = self._refs.code_of("location", target)
            raise Refused(
                f"Tryton has no storage location with code '{code}'",
                cure="add it in Tryton, or correct the location map, then retry the command",
            )
        if command.quantity_milli < 0:
            raise Refused("a quantity is below zero", cure="skip the command and mend its source")
        source = ids.get(command.from_location) if command.from_location else None
        goal = ids.get(command.to_location) if command.to_location else None
        day = from_us(command.occurred_at_us).astimezone(self._zone).date()
        return Way(source or outside, goal or outside, day)

    def _article(self, command: RecordMovement, articles: dict[str, Article]) -> Article:
        code = self._refs.code_of("sku", command.sku)
        if (article := articles.get(code)) is None:
            raise Refused(
                f"Tryton has no product with code '{code}'",
                cure="add it in Tryton, or correct the sku map, then retry the command",
            )
        return article

    def _code(self, kind: str, canonical: str) -> str | None:
        try:
            return self._refs.code_of(kind, canonical)
        except Unmapped:
            return None


def _line(command: RecordMovement, way: Way, article: Article) -> Line:
    return Line(
        command_id=command.command_id,
        token=token_of(command.command_id),
        way=way,
        article=article,
        quantity=command.quantity_milli / 1000,
    )


def _drafts(lines: Iterable[Line]) -> list[list[Line]]:
    """Return `lines` as documents: one way and day each, none too long."""
    by_way: dict[Way, list[Line]] = defaultdict(list)
    for line in lines:
        by_way[line.way].append(line)
    return [chunk for same in by_way.values() for chunk in _chunks(same, MAX_LINES)]


def _shipment(lines: Sequence[Line]) -> Row:
    way = lines[0].way
    between = {"from_location": way.source, "to_location": way.target}
    moves = [
        {
            **between,
            "product": line.article.id,
            "unit": line.article.unit,
            "quantity": line.quantity,
        }
        for line in lines
    ]
    days = ("planned_start_date", "planned_date", "effective_start_date", "effective_date")
    return {
        "reference": reference_of(line.token for line in lines),
        **between,
        **dict.fromkeys(days, way.day),
        "moves": [["create", moves]],
    }


def _stuck(document: Document | None) -> Refused:
    if document is None:
        return Refused(
            "the shipment was cancelled in Tryton while it was written",
            cure="find out why it was cancelled, then retry the command, or skip it",
        )
    return Refused(
        f"shipment {document.number or document.id} stays '{document.state}'",
        cure="finish or cancel it in Tryton, then retry the command",
    )


def _halves(drafts: list[list[Line]]) -> Iterator[list[list[Line]]]:
    """Split several documents into two sets, or the lines of a single one into two documents."""
    if len(drafts) == 1:
        lines = drafts[0]
        middle = len(lines) // 2
        yield [lines[:middle]]
        yield [lines[middle:]]
    else:
        middle = len(drafts) // 2
        yield drafts[:middle]
        yield drafts[middle:]


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
