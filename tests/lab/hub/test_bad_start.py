"""A start that cannot work ends with what is wrong, where, and what to do: never with a trace."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from running_hub import Hub, config_of
from web_shop import KEYS, WEBHOOK_SECRET


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    return config_of(tmp_path, 0, "http://127.0.0.1:1")


def resting(folder: Path, config: dict[str, Any]) -> Hub:
    """An installation that was never started."""
    return Hub(folder, config, {**KEYS, "LAB_WEBHOOK_SECRET": WEBHOOK_SECRET})


def test_a_misspelt_key_names_path_value_line_and_cure(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    hub = resting(tmp_path, {**config, "wrokers": {"count": 2}})
    for words in (("config", "check"), ("up",)):
        done = hub.command(*words)
        assert done.returncode == 2
        assert "wrokers" in done.stderr
        assert "omnihub.yaml line 1" in done.stderr
        assert "workers" in done.stderr
    assert not (tmp_path / ".omnihub").exists()


def test_every_wrong_setting_of_a_connector_is_told_at_once(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    config["connectors"]["pos"]["config"] = {"spol": "here", "time_zone": "Mars/Base"}
    config["connectors"]["shop"]["config"]["consumer_key"] = "ck_in_clear"
    done = resting(tmp_path, config).command("config", "check")
    assert done.returncode == 2
    for words in ("connectors.pos.config.spol", "Mars/Base", "America/New_York"):
        assert words in done.stderr
    assert "connectors.shop.config.consumer_key is a secret given in clear" in done.stderr
    assert "ck_in_clear" not in done.stderr


def test_a_secret_that_is_not_set_is_named(tmp_path: Path, config: dict[str, Any]) -> None:
    done = Hub(tmp_path, config, KEYS).command("config", "check")
    assert done.returncode == 2
    assert "LAB_WEBHOOK_SECRET" in done.stderr


def test_yaml_that_is_none_names_its_line(tmp_path: Path, config: dict[str, Any]) -> None:
    hub = resting(tmp_path, config)
    (tmp_path / "omnihub.yaml").write_text("version: 1\napi: {port: 1\n")
    done = hub.command("config", "check")
    assert done.returncode == 2
    assert "omnihub.yaml line" in done.stderr


@pytest.mark.parametrize("section", ["api", "registry", "kafka"])
def test_a_port_in_use_names_its_setting(
    tmp_path: Path, config: dict[str, Any], section: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = resting(tmp_path, {**config, section: {"port": port}}).command("up")
    assert done.returncode == 1
    assert f"{section}.port is {port}" in done.stderr
    assert f"set {section}.port to another port" in done.stderr


def test_a_second_up_on_the_same_data_is_refused_and_the_first_goes_on(hub: Hub) -> None:
    before = hub.run()
    done = hub.command("up")
    assert done.returncode == 1
    assert "`omnihub up` already runs on" in done.stderr
    assert hub.run()["pid"] == before["pid"]
    assert hub.get("/ready").status_code == 200


def test_a_broker_that_is_down_at_the_start_is_named_with_the_cure(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    done = resting(tmp_path, config).command("up", OMNIHUB_KAFKA__BOOTSTRAP="127.0.0.1:1")
    assert done.returncode == 3, done.stderr
    assert "Cannot list topics of 127.0.0.1:1" in done.stderr
    assert "correct kafka.bootstrap" in done.stderr
    assert "KafkaError{" not in done.stderr


def test_commands_without_a_running_hub_say_what_to_start(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    hub = resting(tmp_path, config)
    for words in (("hospital", "list"), ("stock", "T-1"), ("topics", "list")):
        done = hub.command(*words)
        assert done.returncode != 0
        assert "omnihub up" in done.stderr, done.stderr


def test_the_configuration_of_these_tests_is_right(tmp_path: Path, config: dict[str, Any]) -> None:
    done = resting(tmp_path, config).command("config", "check", "--json")
    assert json.loads(done.stdout)["ok"] is True
