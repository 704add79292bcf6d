"""The command line without a broker: the tree, exit codes, messages, JSON."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from omnihub.cli.main import COMMANDS, GROUPS, build_app
from omnihub.cli.mapping import _read
from omnihub.cli.output import Exit, exit_code, units
from omnihub.engine.errors import TaskRefused
from omnihub.model.errors import ConfigurationError, OmniHubError, Refused, RetryableError

ROOT = Path(__file__).parents[3]
DOC = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def omnihub(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "omnihub", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "omnihub.yaml").write_text("version: 1\n")
    return tmp_path


def test_the_documentation_names_exactly_the_commands_that_exist() -> None:
    documented = set(re.findall(r"^\| `omnihub ([a-z]+(?: [a-z]+)?)(?= |`)", DOC, re.MULTILINE))
    root = typer.main.get_command(build_app())
    real: set[str] = set()
    for name, command in root.commands.items():
        if name in COMMANDS and not command.hidden:
            real.add(name)
        elif name in GROUPS:
            real |= {f"{name} {part}" for part in command.commands}
            real |= {name} if command.invoke_without_command else set()
    assert documented == real


def test_the_documentation_names_exactly_the_exit_codes() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", DOC, re.MULTILINE)}
    assert documented == set(Exit)


def test_every_command_says_what_it_does() -> None:
    root = typer.main.get_command(build_app())
    for name, command in root.commands.items():
        parts = getattr(command, "commands", {name: command})
        for part, one in parts.items():
            assert one.help or one.hidden, f"{name} {part}"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), Exit.USAGE),
        (RetryableError("x"), Exit.UNAVAILABLE),
        (Refused("x"), Exit.REFUSED),
        (TaskRefused("x"), Exit.REFUSED),
        (OmniHubError("x"), Exit.FAILED),
    ],
)
def test_an_error_decides_the_exit_code(error: OmniHubError, code: Exit) -> None:
    assert exit_code(error) is code


def test_init_writes_a_file_that_check_accepts_and_never_overwrites_it(tmp_path: Path) -> None:
    assert omnihub("init", cwd=tmp_path).returncode == 0
    assert omnihub("config", "check", cwd=tmp_path).returncode == 0
    again = omnihub("init", cwd=tmp_path)
    assert again.returncode == Exit.USAGE
    assert "--force" in again.stderr


def test_a_wrong_key_is_told_without_a_stack_trace(folder: Path) -> None:
    (folder / "omnihub.yaml").write_text("kafka:\n  prot: 1\n")
    done = omnihub("config", "check", cwd=folder)
    assert done.returncode == Exit.USAGE
    assert "kafka.prot (from omnihub.yaml line 2) is not a setting" in done.stderr
    assert "Did you mean 'port'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in omnihub("--debug", "config", "check", cwd=folder).stderr


def test_an_unknown_connector_type_names_the_installed_ones(folder: Path) -> None:
    (folder / "omnihub.yaml").write_text("connectors: {erp: {type: sap}}\n")
    done = omnihub("config", "check", cwd=folder)
    assert done.returncode == Exit.USAGE
    assert "connectors.erp" in done.stderr
    assert "'sap' is not installed (installed: " in done.stderr


def test_show_tells_the_origin_of_a_value_as_json(folder: Path) -> None:
    (folder / "omnihub.yaml").write_text("tenant: shop\n")
    done = omnihub("config", "show", "--json", cwd=folder)
    rows = {row["setting"]: row for row in json.loads(done.stdout)}
    assert (rows["tenant"]["value"], rows["tenant"]["from"]) == ("shop", "omnihub.yaml line 1")
    assert rows["api.port"]["from"] == "default"


def test_without_a_broker_commands_say_how_to_start_one(folder: Path) -> None:
    for command in (("topics", "list"), ("hospital", "list"), ("map", "missing")):
        done = omnihub(*command, cwd=folder)
        assert done.returncode != 0
        assert "omnihub up" in done.stderr
        assert "Traceback" not in done.stderr


def test_kafka_that_does_not_run_is_exit_3(folder: Path) -> None:
    done = omnihub("kafka", "status", "--json", cwd=folder)
    assert done.returncode == Exit.UNAVAILABLE
    assert json.loads(done.stdout)["running"] is False


def test_a_key_is_printed_once_and_listed_by_name(folder: Path) -> None:
    key = omnihub("keys", "add", "shop", cwd=folder).stdout.strip()
    assert key.startswith("omh_")
    listed = omnihub("keys", "list", "--json", cwd=folder).stdout
    assert json.loads(listed) == [{"name": "shop", "scope": "read"}]
    assert key not in listed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("code,canonical\n", "line 1 is 'code,canonical'"),
        ("instance,kind,code,canonical\nweb,sku,,4711\n", "line 2 has an empty field"),
    ],
)
def test_a_wrong_import_file_names_the_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "map.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=told):
        _read(path)


def test_an_import_file_is_read_as_spreadsheets_write_it(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_bytes("\ufeffinstance,kind,code,canonical\r\nweb,sku, 7 ,4711\r\n".encode())
    assert _read(path) == [("web", "sku", "7", "4711")]


def test_units_have_no_needless_zeros() -> None:
    assert [units(milli) for milli in (12_000, 1_500, 1, 0, -2_000)] == [
        "12",
        "1.5",
        "0.001",
        "0",
        "-2",
    ]
