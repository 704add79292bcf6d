"""Live events: what a client is told, and that coming back loses nothing."""

import asyncio
import json

import pytest

from omnihub.api import feed
from omnihub.api.events import CARTS, CUSTOMERS, ORDERS, STOCK
from omnihub.api.feed import BadEventId, Behind, Wanted, decode_id, encode_id, id_pattern
from omnihub.api.sse import _stream
from omnihub.model.ids import LocationId, Sku, TenantId
from omnihub.model.records import StockLevel
from tests.unit.views.examples import ADAS, cart, fulfilment, order, profile, redirect

TOPIC = "omni.stock.state.v1"
EVERYTHING = Wanted(STOCK.topics)


def level(sku: str, on_hand: int, seq: int, location: str = "S1") -> StockLevel:
    return StockLevel(
        tenant=TenantId("main"),
        sku=Sku(sku),
        location=LocationId(location),
        on_hand_milli=on_hand * 1000,
        ats_milli=on_hand * 1000,
        seq=seq,
        cause_id=f"c{seq}",
        occurred_at_us=0,
        accepted_at_us=0,
    )


class Listener:
    """A client that parses the stream as the WHATWG algorithm says."""

    def __init__(self, hub, wanted: Wanted = EVERYTHING, last_id: str | None = None) -> None:
        seen = None if last_id is None else decode_id(last_id)
        self._stream = _stream(hub.parts, wanted, seen)
        self.last_id = last_id

    async def __aenter__(self) -> "Listener":
        await self.block()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stream.aclose()

    async def block(self) -> dict[str, str]:
        async with asyncio.timeout(5):
            text = (await anext(self._stream)).decode()
        assert text.endswith("\n\n")
        lines = [line.partition(": ") for line in text.splitlines() if line]
        fields = {name: value for name, _, value in lines}
        self.last_id = fields.get("id", self.last_id)
        return fields

    async def change(self) -> tuple[str, str, int]:
        fields = await self.block()
        data = json.loads(fields["data"])
        return fields["event"], data["sku"], data["ats_milli"] // 1000


async def test_a_client_is_told_changes_from_now_on(hub) -> None:
    async with Listener(hub) as client:
        await hub.log.append(TOPIC, level("4711", 9, 2))
        assert await client.change() == ("stock.level.changed", "4711", 9)


async def test_a_client_is_told_only_what_it_wants(hub) -> None:
    async with Listener(hub, Wanted(STOCK.topics, {"sku": "4712", "location": "S2"})) as client:
        await hub.log.append(TOPIC, level("4711", 1, 2, "S2"))
        await hub.log.append(TOPIC, level("4712", 2, 2, "S1"))
        await hub.log.append(TOPIC, level("4712", 3, 2, "S2"))
        assert await client.change() == ("stock.level.changed", "4712", 3)


async def test_a_client_that_comes_back_misses_no_level(hub) -> None:
    async with Listener(hub) as client:
        last_id = client.last_id
    await hub.log.append(TOPIC, level("4711", 9, 2))
    await hub.log.append(TOPIC, level("4711", 8, 3))
    await hub.log.append(TOPIC, level("4713", 5, 2))
    await hub.folded()
    async with Listener(hub, last_id=last_id) as client:
        missed = {await client.change(), await client.change()}
        assert missed == {
            ("stock.level.changed", "4711", 8),
            ("stock.level.changed", "4713", 5),
        }
        await hub.log.append(TOPIC, level("4712", 4, 2))
        assert await client.change() == ("stock.level.changed", "4712", 4)


async def test_coming_back_waits_for_a_view_that_lags(hub) -> None:
    async with Listener(hub) as client:
        last_id = client.last_id
    await hub.log.append(TOPIC, level("4711", 9, 2))
    await asyncio.sleep(0)
    back = Listener(hub, last_id=last_id)
    async with back:
        pending = asyncio.create_task(back.change())
        await asyncio.sleep(0.1)
        assert not pending.done()
        await hub.folded()
        assert await pending == ("stock.level.changed", "4711", 9)


async def test_nothing_is_told_twice_when_replay_and_live_overlap(hub) -> None:
    async with Listener(hub) as client:
        last_id = client.last_id
    back = Listener(hub, last_id=last_id)
    async with back:
        await hub.log.append(TOPIC, level("4711", 9, 2))
        await asyncio.sleep(0)
        await hub.folded()
        assert await back.change() == ("stock.level.changed", "4711", 9)
        await hub.log.append(TOPIC, level("4711", 8, 3))
        assert await back.change() == ("stock.level.changed", "4711", 8)


async def idle(hub) -> None:
    """Let so much time pass without a listener that the feed stops at the next change."""
    hub.now_us += round((feed.LINGER_S + 1) * 1e6)
    await hub.log.append(TOPIC, level("4700", 1, 2))
    await asyncio.sleep(0.01)


async def test_while_nobody_listens_nothing_is_read_until_somebody_does(hub) -> None:
    await idle(hub)
    assert not hub.log._waiting
    async with Listener(hub) as client:
        await hub.log.append(TOPIC, level("4712", 4, 2))
        told = ("stock.level.changed", "4712", 4)
        assert told in {await client.change(), await client.change()}


async def test_coming_back_to_a_feed_that_rested_misses_nothing(hub) -> None:
    async with Listener(hub) as client:
        last_id = client.last_id
    await idle(hub)
    await hub.log.append(TOPIC, level("4711", 9, 2))
    await hub.folded()
    async with Listener(hub, last_id=last_id) as client:
        missed = {await client.change(), await client.change()}
        assert missed == {("stock.level.changed", "4700", 1), ("stock.level.changed", "4711", 9)}


async def test_as_long_as_somebody_listens_it_does_not_rest(hub) -> None:
    async with Listener(hub) as client:
        await idle(hub)
        assert await client.change() == ("stock.level.changed", "4700", 1)
        assert hub.log._waiting


async def test_a_quiet_stream_is_kept_alive_without_moving_the_id(hub, monkeypatch) -> None:
    monkeypatch.setattr("omnihub.api.sse.KEEP_ALIVE_S", 0.01)
    async with Listener(hub) as client:
        assert await client.block() == {"": "still here"}


async def test_a_client_that_reads_too_slowly_is_cut_off(hub, monkeypatch) -> None:
    changes = hub.feed.changes(EVERYTHING, None, 1.0)
    await anext(changes)
    for seq in range(feed.QUEUE_LIMIT + 1):
        hub.feed._tell((feed.Position(TOPIC, 0, 10_000 + seq), level("4711", 1, seq)))
    for _ in range(feed.QUEUE_LIMIT):
        await anext(changes)
    with pytest.raises(Behind, match="too slowly"):
        await anext(changes)


async def test_the_endpoint_streams_events(hub) -> None:
    async with hub.client() as client:
        bad = await client.get("/v1/stock/events", headers={"Last-Event-ID": "no id of ours"})
        assert bad.status_code == 422


def test_an_event_id_holds_positions() -> None:
    positions = {(TOPIC, 3): 17, ("omni.stock.channel.state.v1", 0): 2}
    assert decode_id(encode_id(positions)) == positions
    assert decode_id("") == {}
    for wrong in ("x", "s0-1,s1-2", "s0--1", "s0-1.", "s" * 70_000):
        with pytest.raises(BadEventId):
            decode_id(wrong)


# -- orders, customers, carts --------------------------------------------------------------------


async def test_each_stream_tells_its_own_states_and_no_others(hub) -> None:
    wanted = {ORDERS: ("order.changed", "o9"), CUSTOMERS: ("customer.changed", "c9")}
    wanted[CARTS] = ("cart.changed", "k9")
    for stream, (name, id) in wanted.items():
        async with Listener(hub, Wanted(stream.topics)) as client:
            await hub.log.append(TOPIC, level("4711", 9, 2))
            await hub.log.append("omni.order.state.v1", order("o9"))
            await hub.log.append("omni.profile.state.v1", profile("c9"))
            await hub.log.append("omni.cart.state.v1", cart("k9"))
            fields = await client.block()
            assert (fields["event"], id in fields["data"]) == (name, True)


async def test_no_event_holds_anything_personal_sealed_or_not(hub) -> None:
    everything = ORDERS.topics + CUSTOMERS.topics + CARTS.topics
    sealed = {"contact", "name", "email", "phone", "address", "identifiers", "birthday_month"}
    async with Listener(hub, Wanted(everything)) as client:
        for topic, record in (
            ("omni.order.state.v1", order("o9")),
            ("omni.fulfilment.state.v1", fulfilment("o9")),
            ("omni.profile.state.v1", profile("c9")),
            ("omni.customer.redirect.state.v1", redirect("c8", "c9")),
            ("omni.cart.state.v1", cart("k9")),
        ):
            await hub.log.append(topic, record)
            told = (await client.block())["data"]
            assert not sealed & set(json.loads(told)), topic
            assert not [value for value in ADAS if value in told], topic


async def test_a_filter_takes_only_what_has_the_field(hub) -> None:
    async with Listener(hub, Wanted(ORDERS.topics, {"location": "S1"})) as client:
        await hub.log.append("omni.order.state.v1", order("o9"))
        await hub.log.append("omni.fulfilment.state.v1", fulfilment("o9"))
        assert (await client.block())["event"] == "fulfilment.changed"


async def test_a_client_that_comes_back_misses_no_order(hub) -> None:
    wanted = Wanted(ORDERS.topics)
    async with Listener(hub, wanted) as client:
        last_id = client.last_id
    for id in ("o1", "o2", "o1"):
        await hub.log.append("omni.order.state.v1", order(id))
    await hub.log.append("omni.profile.state.v1", profile("c9"))
    await hub.folded()
    async with Listener(hub, wanted, last_id) as client:
        missed = [json.loads((await client.block())["data"])["order_id"] for _ in range(2)]
        await hub.log.append("omni.order.state.v1", order("o3"))
        missed.append(json.loads((await client.block())["data"])["order_id"])
    assert (sorted(missed[:2]), missed[2]) == (["o1", "o2"], "o3")


async def test_the_id_of_one_stream_is_refused_by_another(hub) -> None:
    async with hub.client() as client:
        for path, id in (("orders", "s0-1"), ("customers", "o0-1"), ("carts", "p0-1")):
            answer = await client.get(f"/v1/{path}/events", headers={"Last-Event-ID": id})
            assert answer.status_code == 422, path
    assert id_pattern(ORDERS.topics).startswith("^([of]")
