"""A code that meant the wrong item: the replay finds what came of it, and puts it right, once."""

from running_hub import Hub
from till_files import poslog, sold


def test_a_wrong_cross_reference_is_found_corrected_and_told(hub: Hub) -> None:
    set_code(hub, "T-57")
    hub.drop("misread.xml", poslog(sold(5700, "R-1", 3), sold(5701, "R-1", 1)))
    hub.until_on_hand("T-57", -4_000)
    set_code(hub, "T-58")

    dry = hub.command_json("replay", "--from", "1h", "--connector", "pos", "--dry-run")
    mine = [each for each in dry["differences"] if ":570" in each["part"]]
    assert [each["change"] for each in mine] == ["CHANGED", "CHANGED"], dry
    assert {(f["old"], f["new"]) for each in mine for f in each["fields"]} == {("T-57", "T-58")}
    levels = {each["sku"]: each["new_milli"] for each in dry["consequences"]["levels"]}
    assert (levels["T-57"], levels["T-58"]) == (0, -4_000)
    hub.settle()
    assert hub.on_hand("T-58") is None, "a dry run changes nothing"

    done = hub.command_json("replay", "--from", "1h", "--connector", "pos", "--yes")
    assert done["asked"] >= 2
    hub.until_on_hand("T-57", 0)
    hub.until_on_hand("T-58", -4_000)
    again = hub.command_json("replay", "--from", "1h", "--connector", "pos", "--yes")
    assert not [each for each in again["differences"] if ":570" in each["part"]]
    told = hub.command("explain", done["replay_id"])
    assert "CorrectEntity" in told.stdout
    assert "VOID" in told.stdout
    assert hub.command_json("replay", "withheld") == []


def test_a_replay_without_a_range_or_a_person_to_ask_is_wrong_use(hub: Hub) -> None:
    assert hub.command("replay", "--dry-run").returncode == 2
    assert hub.command("replay", "--from", "1h").returncode == 2
    refused = hub.command("replay", "--from", "1h", "--with-effects", "gifts", "--dry-run")
    assert refused.returncode == 2
    assert "mail, message, payment, label" in refused.stderr


def set_code(hub: Hub, canonical: str) -> None:
    assert hub.command("map", "set", "pos", "sku", "R-1", canonical).returncode == 0
    hub.settle()
