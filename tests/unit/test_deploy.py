"""What deploy/ ships fits the code: the configuration loads, the versions agree."""

import re
from pathlib import Path

from ruamel.yaml import YAML

from omnihub.settings import load

ROOT = Path(__file__).parents[2]


def compose():
    return YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())


def test_the_compose_configuration_is_right():
    settings = load(ROOT / "deploy" / "compose" / "omnihub.yaml", {}).settings
    assert settings.api.port == 8080


def test_compose_runs_the_kafka_release_that_the_lock_pins():
    lock = (ROOT / "src/omnihub/broker/kafka.lock").read_text()
    pinned = re.search(r"kafka_2\.13:([\d.]+)", lock).group(1)
    assert compose()["services"]["kafka"]["image"] == f"apache/kafka:{pinned}"


def test_every_mounted_file_and_the_dockerfile_exist():
    hub = compose()["services"]["hub"]
    mounted = [v.split(":")[0] for v in hub["volumes"] if v.startswith("./")]
    for path in [*mounted, hub["build"]["dockerfile"]]:
        assert (ROOT / path).is_file(), path


def test_what_compose_publishes_stays_on_this_machine():
    for service in compose()["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
