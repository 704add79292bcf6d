"""The spool folder: half a file waits, an accepted one moves, nothing is ever lost."""

import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from omnihub.connect.refs import CrossReferences
from omnihub.connect.sdk import Context, Health, Stream
from omnihub.model.ids import InstanceId, TenantId
from omnihub_connectors.poslog.config import PosLogConfig
from omnihub_connectors.poslog.connector import PosLog

GOOD = b"<POSLog><Transaction/></POSLog>\n"
SPOOL = Stream("spool")
Make = Callable[..., PosLog]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(**config: object) -> PosLog:
        pos = InstanceId("pos")
        context = Context(TenantId("t"), pos, CrossReferences({}).of(pos), httpx.AsyncClient())
        settings = {"spool": tmp_path, "time_zone": "UTC"} | config
        connector = PosLog(PosLogConfig.model_validate(settings), context)
        connector.spool.create()
        return connector

    return make


def drop(connector: PosLog, name: str, body: bytes = GOOD) -> Path:
    path = connector.spool.incoming / name
    path.write_bytes(body)
    return path


async def names(connector: PosLog, limit: int = 200) -> list[str]:
    batch = await connector.poll(SPOOL, None, limit)
    return [delivery.name for delivery in batch.deliveries]


async def test_complete_files_come_oldest_first_and_again_until_acknowledged(make: Make) -> None:
    connector = make()
    for age, name in enumerate(["b.xml", "a.xml", "c.XML"]):
        os.utime(drop(connector, name), (age, age))
    assert await names(connector) == await names(connector) == ["b.xml", "a.xml", "c.XML"]


async def test_a_batch_is_bounded_and_says_that_more_waits(make: Make) -> None:
    connector = make()
    for number in range(5):
        drop(connector, f"{number}.xml")
    batch = await connector.poll(SPOOL, None, 3)
    assert (len(batch.deliveries), batch.more) == (3, True)
    await connector.ack(SPOOL, batch)
    rest = await connector.poll(SPOOL, None, 3)
    assert (len(rest.deliveries), rest.more) == (2, False)


async def test_an_accepted_file_moves_to_the_archive(make: Make) -> None:
    connector = make()
    drop(connector, "a.xml")
    batch = await connector.poll(SPOOL, None, 10)
    await connector.ack(SPOOL, batch)
    assert await names(connector) == []
    assert (connector.spool.archive / "a.xml").read_bytes() == GOOD


async def test_the_archive_keeps_every_file_of_a_name(make: Make) -> None:
    connector = make()
    for body in (GOOD, GOOD + b"\n", GOOD + b" "):
        drop(connector, "a.xml", body)
        await connector.ack(SPOOL, await connector.poll(SPOOL, None, 10))
    kept = sorted(path.name for path in connector.spool.archive.iterdir())
    assert kept == ["a.xml", "a.xml.1", "a.xml.2"]
    assert (connector.spool.archive / "a.xml.2").read_bytes() == GOOD + b" "


@pytest.mark.parametrize("size", range(len(GOOD) - 1))
async def test_half_a_file_waits_and_nobody_waits_for_it(make: Make, size: int) -> None:
    connector = make()
    drop(connector, "half.xml", GOOD[:size])
    drop(connector, "whole.xml")
    assert await names(connector) == ["whole.xml"]
    drop(connector, "half.xml")
    assert sorted(await names(connector)) == ["half.xml", "whole.xml"]


async def test_a_file_that_never_ends_is_read_in_the_end_so_that_somebody_sees_it(
    make: Make,
) -> None:
    connector = make(stale_after_s=10)
    path = drop(connector, "torn.xml", b"<POSLog><Trans")
    assert await names(connector) == []
    os.utime(path, (1, 1))
    assert await names(connector) == ["torn.xml"]


async def test_a_file_written_to_since_it_was_read_stays(make: Make) -> None:
    connector = make()
    drop(connector, "a.xml")
    batch = await connector.poll(SPOOL, None, 10)
    drop(connector, "a.xml", GOOD + b"<!-- more -->" + GOOD)
    await connector.ack(SPOOL, batch)
    assert (connector.spool.incoming / "a.xml").exists()
    assert list(connector.spool.archive.iterdir()) == []


async def test_names_that_are_not_for_us_are_left_alone(make: Make) -> None:
    connector = make()
    for name in (".a.xml.part", ".a.xml", "a.xml.part", "a.txt", "a\nb.xml"):
        drop(connector, name)
    (connector.spool.incoming / os.fsdecode(b"\xff.xml")).write_bytes(GOOD)
    (connector.spool.incoming / "folder.xml").mkdir()
    (connector.spool.incoming / "link.xml").symlink_to("/etc/hostname")
    assert await names(connector) == []


async def test_a_file_too_large_is_told_but_not_read(make: Make) -> None:
    connector = make(max_file_bytes=1_000)
    drop(connector, "big.xml", b"<POSLog>" + b" " * 2_000 + b"</POSLog>")
    (delivery,) = (await connector.poll(SPOOL, None, 10)).deliveries
    assert delivery.body == b""
    assert delivery.headers["too_large_bytes"] == "2017"


async def test_a_prefixed_document_is_complete_at_its_own_tag(make: Make) -> None:
    connector = make()
    drop(connector, "a.xml", b'<?xml version="1.0"?><p:POSLog xmlns:p="u"></p:POSLog >\n \n')
    assert await names(connector) == ["a.xml"]


async def test_check_names_the_folder_and_the_cure(make: Make, tmp_path: Path) -> None:
    connector = make()
    assert {finding.health for finding in await connector.check()} == {Health.OK}
    connector.spool.incoming.rmdir()
    finding = (await connector.check())[0]
    assert finding.health is Health.WARNING
    assert str(tmp_path / "incoming") in finding.detail


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"time_zones": {"367": "Mars/Base"}}, "time_zones.367"),
        ({"poll_interval_s": 0}, "poll_interval_s"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_setting_names_its_path(change: dict[str, object], path: str) -> None:
    with pytest.raises(ValidationError) as caught:
        PosLogConfig.model_validate({"spool": "/tmp/x", "time_zone": "UTC"} | change)
    (fault,) = caught.value.errors()
    assert ".".join(map(str, fault["loc"])) == path
