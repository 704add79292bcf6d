"""The configuration: what it accepts, and that every fault says path, value, origin and cure."""

import json
from pathlib import Path

import jsonschema
import pytest

from omnihub.model.errors import ConfigurationError
from omnihub.settings import TEMPLATE, Settings, find_config, json_schema, load_text, resolve

ROOT = Path(__file__).parents[3]
FILE = Path("/etc/hub/omnihub.yaml")


def faults(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_text(text, FILE, environ or {})
    return str(caught.value).splitlines()


def settings_of(text: str, environ: dict[str, str] | None = None) -> Settings:
    return load_text(text, FILE, environ or {}).settings


def test_an_empty_file_is_a_hub_on_one_machine() -> None:
    settings = settings_of("")
    assert settings.api.host == "127.0.0.1"
    assert settings.kafka.bootstrap is None


def test_the_file_that_init_writes_is_valid_as_it_stands() -> None:
    settings_of(TEMPLATE)


def test_the_file_that_init_writes_is_valid_with_its_examples_uncommented() -> None:
    lines = [
        line.replace("#", "", 1) if line.startswith("#  ") else line
        for line in TEMPLATE.replace(": {}\n", ":\n").splitlines()
    ]
    text = "\n".join(lines).replace("config:\n", "config: {}\n")
    settings = settings_of(text)
    assert settings.connectors["web"].levels is not None
    assert settings.connectors["mail"].messages is not None
    assert settings.orders.sources == {"WEB": ("WAREHOUSE", "STORE-61")}
    assert settings.locations["STORE-61"].tz == "America/New_York"
    assert settings.kafka.sasl_password == "${env:KAFKA_PASSWORD}"


def test_data_lies_beside_the_file() -> None:
    assert settings_of("data_dir: data").data_dir == Path("/etc/hub/data")
    assert settings_of("data_dir: /var/hub").data_dir == Path("/var/hub")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kafka:\n  prot: 1", ["kafka.prot", "line 2", "Did you mean 'port'?"]),
        ("kafka:\n  port: x", ["kafka.port is 'x'", "line 2", "Port of the embedded broker"]),
        ("chanels: {}", ["chanels", "line 1", "Did you mean 'channels'?"]),
        ("zzz: 1", ["zzz", "Known here: api, channels"]),
        ("tenant: A:B", ["tenant is 'A:B'", "line 1"]),
        ("channels: {WEB: {locations: []}}", ["channels.WEB.locations", "at least 1"]),
        ("connectors: {erp: {typ: x}}", ["connectors.erp.type is missing"]),
        (
            "connectors: {erp: {type: x, levels: {channel: W}}}",
            ["there is no such channel", "none"],
        ),
        ("version: 2", ["version is '2'"]),
        ("- 1", ["is not a mapping"]),
        ("a: [", ["line 1 is not YAML"]),
        ("tenant: a\ntenant: b", ["line 2 is not YAML", "duplicate key"]),
    ],
)
def test_a_fault_names_path_value_origin_and_cure(text: str, told: list[str]) -> None:
    line = " ".join(faults(text))
    for part in told:
        assert part in line


def test_all_faults_are_told_at_once() -> None:
    assert len(faults("kafka: {prot: 1}\napi: {port: x}\nworkers: {count: 0}")) == 3


def test_the_environment_wins_and_is_named_as_the_origin() -> None:
    text = "kafka: {bootstrap: 'a:1'}\nconnectors: {web: {type: shop}}"
    environ = {
        "OMNIHUB_KAFKA__BOOTSTRAP": "b:2",
        "OMNIHUB_WORKERS__COUNT": "3",
        "OMNIHUB_CONNECTORS__WEB__CONFIG__URL": "http://x",
    }
    loaded = load_text(text, FILE, environ)
    assert loaded.settings.kafka.bootstrap == "b:2"
    assert loaded.settings.workers.count == 3
    assert loaded.settings.connectors["web"].config == {"url": "http://x"}
    assert loaded.origins["kafka", "bootstrap"] == "environment OMNIHUB_KAFKA__BOOTSTRAP"


def test_an_empty_variable_unsets() -> None:
    text = "kafka: {bootstrap: 'a:1'}"
    assert settings_of(text, {"OMNIHUB_KAFKA__BOOTSTRAP": ""}).kafka.bootstrap is None


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("OMNIHUB_KAFKA__PROT", "Did you mean 'port'?"),
        ("OMNIHUB_KAFK__PORT", "Did you mean OMNIHUB_KAFKA?"),
        ("OMNIHUB_TENNANT", "Did you mean OMNIHUB_TENANT?"),
    ],
)
def test_a_misspelt_variable_is_an_error(name: str, told: str) -> None:
    line = " ".join(faults("", {name: "1"}))
    assert name in line
    assert told in line


def test_other_variables_are_none_of_our_business() -> None:
    settings_of("", {"OMNIHUB_CONFIG": "x", "OMNIHUB_DEBUG": "1", "PATH": "y"})


def test_a_literal_secret_is_refused_and_never_repeated() -> None:
    line = " ".join(faults("kafka: {sasl_password: hunter2}"))
    assert "kafka.sasl_password" in line
    assert "${env:NAME}" in line
    assert "hunter2" not in line


def test_secrets_are_resolved_from_the_environment_and_from_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from file\n")
    assert resolve("${env:A}", {"A": "from env"}, tmp_path).get_secret_value() == "from env"
    assert resolve("${file:secret}", {}, tmp_path).get_secret_value() == "from file"
    with pytest.raises(ConfigurationError, match="B is not set"):
        resolve("${env:B}", {}, tmp_path)
    with pytest.raises(ConfigurationError, match="nothing cannot be read"):
        resolve("${file:nothing}", {}, tmp_path)


def test_a_missing_file_names_every_place_looked_at(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"--config, OMNIHUB_CONFIG, .*omnihub\.yaml"):
        find_config(None, {})
    with pytest.raises(ConfigurationError, match=r"other\.yaml"):
        find_config(None, {"OMNIHUB_CONFIG": "other.yaml"})


def test_the_published_schema_is_the_one_of_the_code() -> None:
    published = json.loads((ROOT / "schemas" / "omnihub.schema.json").read_text())
    assert published == json_schema(), "run: omnihub config schema > schemas/omnihub.schema.json"


def test_the_published_schema_judges_like_the_code() -> None:
    checker = jsonschema.Draft202012Validator(json_schema())
    assert checker.is_valid({"version": 1, "api": {"port": 8080}})
    assert not checker.is_valid({"kafka": {"prot": 1}})
    assert not checker.is_valid({"workers": {"count": 0}})
