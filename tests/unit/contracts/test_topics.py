"""Topics of the contract: names resolve, keys follow the templates, mistakes name their place."""

from pathlib import Path

import pytest

from omnihub.contracts.errors import ContractError
from omnihub.contracts.topics import Topics
from omnihub.model.ids import InstanceId, LocationId, Sku, TenantId
from omnihub.model.records import (
    ChannelAts,
    ReleaseAction,
    ReleaseParked,
    SetStockLevel,
    StockLevel,
    StockMoved,
    TimerDue,
)

GOOD = """
partition_counts: {default: 8}
topics:
  - name: omni.stock.state.v1
    records: {StockLevel: "{tenant}:{sku}:{location}"}
    partition_by: "{tenant}:{sku}"
    partitions: default
    cleanup: compact
"""


def level(location: str = "store-367") -> StockLevel:
    return StockLevel(
        tenant=TenantId("acme"),
        sku=Sku("100%"),
        location=LocationId(location),
        on_hand_milli=1,
        ats_milli=1,
        seq=1,
        cause_id="c",
        occurred_at_us=1,
        accepted_at_us=1,
    )


class TestShipped:
    """The topics.yaml of this release."""

    topics = Topics.load()

    def test_key_and_partition_key_of_a_level_differ(self) -> None:
        assert self.topics.key_of("omni.stock.state.v1", level()) == "acme:100%:store-367"
        assert self.topics.partition_key_of("omni.stock.state.v1", level()) == "acme:100%"

    def test_a_tombstones_partition_key_follows_from_its_key(self) -> None:
        spec = self.topics.spec("omni.stock.state.v1")
        assert spec.partition_key_of_key("acme:100%:store-367") == spec.partition_key_of(level())
        parked = self.topics.spec("omni.hospital.state.v1")
        assert parked.partition_key_of_key("stock:acme:1:store-2:7") == "stock:acme:1:store-2"

    def test_every_inbox_takes_timers_and_releases(self) -> None:
        due = TimerDue(name="n", key="acme:1", timer_id="t", due_at_us=1, fired_at_us=2)
        release = ReleaseParked(
            task="stock",
            park_key="acme:1:store-2",
            action=ReleaseAction.RETRY,
            requested_by="me",
            reason="mapped",
            requested_at_us=1,
        )
        assert self.topics.key_of("omni.stock.inbox.v1", due) == "acme:1"
        assert self.topics.key_of("omni.raw.poslog.v1", release) == "acme:1:store-2"

    def test_patterns_resolve(self) -> None:
        command = self.topics.spec("omni.command.web-2.v1")
        assert command.partitions == 1
        assert SetStockLevel in command.records

    def test_a_movement_has_one_inbox_and_a_level_none(self) -> None:
        assert self.topics.inbox_of(StockMoved) == "omni.stock.inbox.v1"
        with pytest.raises(ContractError, match=r"ChannelAts belongs to 0 inboxes"):
            self.topics.inbox_of(ChannelAts)

    def test_a_changelog_has_as_many_partitions_as_its_inbox(self) -> None:
        assert self.topics.changelog("split-poslog", "omni.raw.poslog.v1").partitions == 2
        assert self.topics.changelog("stock", "omni.stock.inbox.v1").partitions == 4
        with pytest.raises(ContractError, match="follows its task's inbox"):
            self.topics.spec("omni.changelog.stock.v1")

    def test_all_topics_of_an_installation_exist_once(self) -> None:
        tasks = {"stock": "omni.stock.inbox.v1", "split-poslog": "omni.raw.poslog.v1"}
        names = [spec.name for spec in self.topics.all(["poslog"], ["pos", "web"], tasks)]
        assert len(names) == len(set(names))
        assert {
            "omni.raw.poslog.v1",
            "omni.entity.poslog.v1",
            "omni.command.pos.v1",
            "omni.command.web.v1",
            "omni.changelog.stock.v1",
            "omni.changelog.split-poslog.v1",
            "omni.xref.v1",
        } <= set(names)
        assert not [name for name in names if "{" in name]

    def test_counts_can_be_set_by_name(self) -> None:
        assert Topics.load(counts={"default": 48}).spec("omni.stock.inbox.v1").partitions == 48
        with pytest.raises(ContractError, match=r"'defautl' is not declared.*\['default'"):
            Topics.load(counts={"defautl": 48})

    def test_a_topic_can_have_other_partitions_than_its_kind(self) -> None:
        usual = Topics.load()
        found = usual.as_found({"omni.stock.event.v1": 3})
        assert found.spec("omni.stock.event.v1").partitions == 3
        assert found.spec("omni.stock.inbox.v1") == usual.spec("omni.stock.inbox.v1")
        assert usual.spec("omni.stock.event.v1").partitions == 4

    def test_an_unknown_topic_is_named(self) -> None:
        with pytest.raises(ContractError, match=r"'omni\.stok\.inbox\.v1' is not in the contract"):
            self.topics.spec("omni.stok.inbox.v1")

    def test_a_foreign_record_is_refused(self) -> None:
        with pytest.raises(ContractError, match=r"StockLevel does not belong on topic"):
            self.topics.key_of("omni.xref.v1", level())


@pytest.mark.parametrize(
    ("change", "to", "complaint"),
    [
        ("cleanup: compact", "cleanup: compacted", r"topics\[0\]\.cleanup is 'compacted'.*compact"),
        ("cleanup: compact", "cleanup: delete", r"topics\[0\]\.retention_hours is None"),
        ("partitions: default", "partitions: many", r"topics\[0\]\.partitions is 'many'"),
        ("{default: 8}", "{default: 0}", r"partition_counts\.default is 0"),
        ("{default: 8}", "[8]", r"partition_counts is \[8\]"),
        ("StockLevel:", "StockLvl:", r"records\.StockLvl is 'StockLvl'.*no \.avsc"),
        (":{location}", ":{place}", r"StockLevel is 'place'.*no field 'place'"),
        ('"{tenant}:{sku}"', '"{sku}"', r"partition_by is '\{sku\}'.*start with partition_by"),
        ("omni.stock.state.v1", "stock state", r"topics\[0\]\.name is 'stock state'"),
        ("omni.stock", "omni.{shop}", r"placeholders \['shop'\] are not allowed"),
        ("cleanup:", "cleanpu:", r"topics\[0\]\.cleanpu is 'compact'.*no such key"),
        ("topics:", "topics: {", r"cannot be read"),
        ("topics:\n", "topics: []\nx:\n", r"the document\.x is"),
    ],
)
def test_a_mistake_is_named_with_path_value_and_cure(
    tmp_path: Path, change: str, to: str, complaint: str
) -> None:
    assert change in GOOD
    path = tmp_path / "topics.yaml"
    path.write_text(GOOD.replace(change, to, 1), encoding="utf-8")
    with pytest.raises(ContractError, match=complaint) as caught:
        Topics.load(path)
    assert str(path) in str(caught.value)


def test_a_topic_declared_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "topics.yaml"
    path.write_text(GOOD + GOOD.split("topics:\n")[1], encoding="utf-8")
    with pytest.raises(ContractError, match=r"topics\[1\]\.name .* declared twice"):
        Topics.load(path)


def test_a_nullable_field_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "topics.yaml"
    text = GOOD.replace("StockLevel", "SetStockLevel").replace("{location}", "{channel}")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContractError, match=r"'channel' may be null"):
        Topics.load(path)


def test_instances_may_not_smuggle_in_dots() -> None:
    with pytest.raises(ContractError):
        Topics.load().spec(f"omni.command.{InstanceId('a.b')}.v1")
