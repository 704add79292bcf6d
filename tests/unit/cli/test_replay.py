"""What `omnihub replay` is told and what it shows."""

import json
import time

import pytest

from omnihub.cli.output import print_json
from omnihub.cli.replay import _effects, _moment_us, _outcome, _show
from omnihub.connect.differing import FieldChange
from omnihub.connect.replaying import Change, Difference, Unread
from omnihub.connect.replays import Replay
from omnihub.model.errors import ConfigurationError
from omnihub.model.ids import InstanceId, TenantId
from omnihub.model.records import (
    CorrectedFact,
    DeliveryKind,
    EffectKind,
    EffectWithheld,
    SourceEntity,
)
from omnihub.wiring.replay import Chosen, Comparison
from omnihub.wiring.shadow import Consequences, LevelChange

NOW_US = 1_795_000_000_000_000


@pytest.mark.parametrize(
    ("told", "at_us"),
    [
        ("36h", NOW_US - 36 * 3_600_000_000),
        ("90m", NOW_US - 90 * 60_000_000),
        ("1.5d", NOW_US - 36 * 3_600_000_000),
        ("1970-01-02", 86_400_000_000),
        ("1970-01-02T00:00", 86_400_000_000),
        ("1970-01-02T01:00+01:00", 86_400_000_000),
    ],
)
def test_a_moment_is_told_as_such_or_as_how_long_ago(told, at_us):
    assert _moment_us("--from", told, NOW_US) == at_us


@pytest.mark.parametrize("told", [None, "", "yesterday", "h", "12"])
def test_what_is_no_moment_is_named_with_its_cure(told):
    with pytest.raises(ConfigurationError, match=r"--from is .*36h"):
        _moment_us("--from", told, NOW_US)


def test_effects_are_named_by_kind():
    assert _effects(["mail", "LABEL", "mail"]) == (EffectKind.MAIL, EffectKind.LABEL)
    with pytest.raises(ConfigurationError, match="mail, message, payment, label"):
        _effects(["unknown"])


@pytest.fixture
def found():
    entity = SourceEntity(
        tenant=TenantId("t"), connector="poslog", instance=InstanceId("pos"), type="line",
        entity_id="5", kind=DeliveryKind.FILE, delivery_id="d", accepted_at_us=1, body=b"secret",
    )  # fmt: skip
    correction = CorrectedFact(natural_id="5", event_ids=("e",), hash="h", undone=())
    fields = (FieldChange("StockMoved.sku", "fig", "plum"),)
    changed = Difference(entity, "5", Change.CHANGED, correction, fields)
    stays = Difference(entity, "6", Change.GONE, correction, (), "a count has no opposite")
    return Comparison(7, 3, {"poslog": [changed, stays]}, [Unread("pos a.xml", "no [XML]")])


CONSEQUENCES = Consequences(
    levels=[LevelChange("fig", "shop", -5_000, 0)],
    withheld=[
        EffectWithheld(
            tenant=TenantId("t"),
            instance=InstanceId("mail"),
            target="o1",
            kind=EffectKind.MAIL,
            effect_id="m1",
            about="order_confirmed",
            order_id="o1",
            replay_id="r1",
            cause_id="e",
            accepted_at_us=1,
        )
    ],
    rejected=[],
    parked=[],
    commands={"shop SetStockLevel": 2},
)


def test_it_shows_differences_consequences_and_a_summary(found, capsys):
    _show(found, CONSEQUENCES, 100)
    shown = capsys.readouterr()
    for part in ("StockMoved.sku", "fig", "plum", "a count has no opposite", "order_confirmed"):
        assert part in shown.out
    assert "no [XML]" in shown.err
    summary = (
        "7 deliveries, 3 entities, 2 differences (1 stay as they are), 1 effects withheld, "
        "1 not readable today"
    )
    assert summary in " ".join(shown.err.split())


def test_as_json_it_says_the_same_and_never_a_body(found, capsys):
    began_us = time.time_ns() // 1000
    asked = Replay("r1", "ann", "why", began_us)
    print_json(_outcome(asked, Chosen(1, 2), found, CONSEQUENCES))
    text = capsys.readouterr().out
    told = json.loads(text)
    assert [each["change"] for each in told["differences"]] == ["CHANGED", "GONE"]
    assert told["differences"][0]["fields"] == [
        {"path": "StockMoved.sku", "old": "fig", "new": "plum"}
    ]
    assert told["consequences"]["commands"] == {"shop SetStockLevel": 2}
    assert told["asked"] == 0
    assert "secret" not in text
