"""What `omnihub connectors check` looks at: reachable, signed in, rights, places, clock, leftovers.

Guarantees: no side effects beyond a sign-in; each finding says what cures it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from omnihub.connect.errors import AuthFailed, Refused
from omnihub.connect.sdk import Finding, Health
from omnihub.model.errors import OmniHubError
from omnihub_connectors.tryton.catalogue import Catalogue
from omnihub_connectors.tryton.config import TrytonConfig
from omnihub_connectors.tryton.journal import SHIPMENT, Journal
from omnihub_connectors.tryton.movements import BUTTONS_IN_TRANSIT
from omnihub_connectors.tryton.parties import PARTY
from omnihub_connectors.tryton.rpc import TrytonRpc
from omnihub_connectors.tryton.sale_journal import SALE

SERIES = "8."
CLOCK_TOLERANCE_S = 60.0
READS = ("product.product", "product.template", "stock.inventory", "stock.location", "stock.move")
WRITES = (SHIPMENT, "stock.move")
SALES = (SALE, PARTY)
Looked = tuple[Health, str, str]


@dataclass(frozen=True, slots=True)
class Checkup:
    """Looks at one instance."""

    rpc: TrytonRpc
    config: TrytonConfig

    async def findings(self) -> list[Finding]:
        """Return one finding per point; after a failure to reach or sign in, no more."""
        found: list[Finding] = []
        points: list[tuple[str, Callable[[], Awaitable[Looked]], bool]] = [
            ("server", self._server, True),
            ("account", self._account, True),
            ("clock", self._clock, False),
            ("rights", self._rights, False),
            ("locations", self._locations, False),
            ("sales", self._sales, False),
            ("leftovers", self._leftovers, False),
        ]
        for point, look, is_vital in points:
            finding = await _finding(point, look)
            found.append(finding)
            if is_vital and finding.health is Health.FAILED:
                break
        return found

    async def _server(self) -> Looked:
        version, _ = await self.rpc.server()
        if not version.startswith(SERIES):
            return Health.WARNING, f"Tryton {version}", f"this connector knows series {SERIES}x"
        return Health.OK, f"Tryton {version} at {self.config.url}", ""

    async def _account(self) -> Looked:
        context = await self.rpc.user_context()
        if context.get("company") is None:
            return Health.FAILED, f"user {self.config.user} has no company", "set it in Tryton"
        return Health.OK, f"signed in as {self.config.user}", ""

    async def _clock(self) -> Looked:
        _, theirs = await self.rpc.server()
        skew_s = abs((theirs - datetime.now(UTC)).total_seconds())
        if skew_s > CLOCK_TOLERANCE_S:
            return Health.WARNING, f"clocks differ by {skew_s:.0f} s", "let both follow NTP"
        return Health.OK, f"clocks differ by {skew_s:.0f} s", ""

    async def _rights(self) -> Looked:
        asked = "model.ir.model.access.get_access"
        access = await self.rpc.call(asked, sorted({*READS, *WRITES}), repeatable=True)
        lacking = [f"read {model}" for model in READS if not access[model]["read"]]
        for right in ("create", "write"):
            lacking += [f"{right} {model}" for model in WRITES if not access[model][right]]
        lacking += [f"button {name}" for name in await self._forbidden_buttons()]
        if lacking:
            cure = "give the user the groups Stock and Stock Force Assignment"
            return Health.FAILED, f"lacks: {', '.join(lacking)}", cure
        return Health.OK, "may read products and stock, and write internal shipments", ""

    async def _sales(self) -> Looked:
        asked = "model.ir.model.access.get_access"
        try:
            access = await self.rpc.call(asked, list(SALES), repeatable=True)
        except Refused:
            return self._without_sales("Tryton has no module sale", "activate it")
        rights = ("read", "create", "write")
        lacking = [name for name in SALES if not all(access[name][each] for each in rights)]
        if lacking:
            told = f"may not read and write {', '.join(lacking)}"
            return self._without_sales(told, "give the user the group Sales")
        return Health.OK, "may read and write sales and parties", ""

    def _without_sales(self, told: str, cure: str) -> Looked:
        health = Health.FAILED if self.config.read_sales else Health.WARNING
        return health, told, f"{cure}, if orders or totals should stand in Tryton's book"

    async def _forbidden_buttons(self) -> list[str]:
        context = await self.rpc.user_context()
        mine = set(context.get("groups", ()))
        domain = [["model", "=", SHIPMENT], ["name", "in", list(BUTTONS_IN_TRANSIT)]]
        buttons = await self.rpc.search_read("ir.model.button", domain, ["name", "groups"])
        return [each["name"] for each in buttons if each["groups"] and not mine & {*each["groups"]}]

    async def _locations(self) -> Looked:
        catalogue = Catalogue(self.rpc, self.config.lost_found)
        await catalogue.outside()
        found = await catalogue.locations(self.config.locations)
        if missing := [code for code in self.config.locations if code not in found]:
            told = f"no storage location has code {', '.join(missing)}"
            return Health.FAILED, told, "correct `locations`, or set the code in Tryton"
        return Health.OK, f"{len(found)} storage locations", ""

    async def _leftovers(self) -> Looked:
        unfinished = await Journal(self.rpc).unfinished()
        if unfinished:
            numbers = ", ".join(each.number or f"#{each.id}" for each in unfinished[:5])
            told = f"{len(unfinished)} internal shipments of the hub are not done: {numbers}"
            return Health.WARNING, told, "retry their commands, or cancel what nobody retries"
        return Health.OK, "every shipment of the hub is done", ""


async def _finding(point: str, look: Callable[[], Awaitable[Looked]]) -> Finding:
    try:
        health, detail, cure = await look()
    except AuthFailed as error:
        return Finding(point, Health.FAILED, str(error), "correct user, password or groups")
    except OmniHubError as error:
        cure = getattr(error, "cure", "") or "start Tryton, or correct `url`"
        return Finding(point, Health.FAILED, str(error), cure)
    return Finding(point, health, detail, cure)
