"""Cross-references: what is set is found both ways, what is not names its cure."""

import asyncio

import pytest

from omnihub.connect.refs import XREF_TOPIC, CrossReferences
from omnihub.model.errors import Unmapped
from omnihub.model.ids import InstanceId, TenantId
from omnihub.model.records import CrossReference

POS = InstanceId("pos")
KEY = "t:pos:location:367"


def row(code, canonical, kind="location"):
    return CrossReference(
        tenant=TenantId("t"),
        instance=POS,
        kind=kind,
        code=code,
        canonical=canonical,
        set_by="me",
        set_at_us=0,
    )


@pytest.fixture
async def refs(log):
    await log.append(XREF_TOPIC, row("367", "STORE-367"))
    refs = CrossReferences({POS: {"sku": "identity", "location": "table"}})
    await refs.load(log)
    return refs


async def test_a_code_is_found_both_ways(refs):
    pos = refs.of(POS)
    assert pos.resolve("location", "367") == "STORE-367"
    assert pos.code_of("location", "STORE-367") == "367"


async def test_a_code_without_id_names_the_command_that_cures_it(refs):
    with pytest.raises(Unmapped) as caught:
        refs.of(POS).resolve("location", "9")
    assert caught.value.cure == "omnihub map set pos location '9' CANONICAL"
    assert caught.value.waits_for == "pos/location/9"
    with pytest.raises(Unmapped, match="no location code of pos stands for 'STORE-9'"):
        refs.of(POS).code_of("location", "STORE-9")


async def test_identity_must_be_declared(refs):
    assert refs.of(POS).resolve("sku", "1029743") == "1029743"
    with pytest.raises(Unmapped):
        refs.of(InstanceId("web")).resolve("sku", "1029743")


async def test_setting_a_value_releases_what_waits_for_it(refs, log):
    assert not refs.resolves("pos/location/a/b")
    await log.append(XREF_TOPIC, row("a/b", "STORE-AB"))
    await refs.load(log)
    assert refs.resolves("pos/location/a/b")
    assert refs.resolves("pos/sku/anything")


async def test_a_changed_and_a_removed_value_leave_nothing_behind(refs, log):
    await log.append(XREF_TOPIC, row("367", "STORE-X"))
    await refs.load(log)
    with pytest.raises(Unmapped):
        refs.of(POS).code_of("location", "STORE-367")
    await log.remove(XREF_TOPIC, KEY)
    await refs.load(log)
    assert not refs.resolves("pos/location/367")


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (the port has no event; the log is in memory)
            await asyncio.sleep(0)


async def test_following_is_caught_up_at_the_first_end_and_goes_on(log):
    await log.append(XREF_TOPIC, row("367", "STORE-367"))
    refs = CrossReferences({})
    task = asyncio.create_task(refs.follow(log))
    await until(lambda: refs.is_caught_up)
    assert refs.resolves("pos/location/367")
    await log.append(XREF_TOPIC, row("368", "STORE-368"))
    await until(lambda: refs.resolves("pos/location/368"))
    task.cancel()
