"""Logs: one form for all, and no secret in any line."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from omnihub.ops.log import setup_logging

CANARY = "canary-4711"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_our_lines_and_those_of_libraries_have_one_form(capsys) -> None:
    setup_logging("api", json_lines=True)
    structlog.get_logger("omnihub.x").info("accepted", source="pos")
    logging.getLogger("library").warning("disk %s", "full")
    ours, theirs = lines(capsys)
    assert (ours["event"], ours["source"], ours["process"]) == ("accepted", "pos", "api")
    assert (theirs["event"], theirs["level"], theirs["process"]) == ("disk full", "warning", "api")


@pytest.mark.parametrize("key", ["password", "api_key", "Authorization", "access_token", "body"])
def test_a_secret_under_a_telling_key_is_hidden(capsys, key: str) -> None:
    setup_logging("api", json_lines=True)
    structlog.get_logger().info("called", **{key: CANARY})
    assert CANARY not in json.dumps(lines(capsys))


def test_a_trace_shows_no_local_values(capsys) -> None:
    setup_logging("api", json_lines=True)
    secret = CANARY
    try:
        raise ValueError(f"no value of {len(secret)} characters")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines(capsys)
    assert "ValueError" in line["exception"]
    assert CANARY not in line["exception"]


def test_lines_below_the_level_are_not_written(capsys) -> None:
    setup_logging("api", json_lines=True, level="warning")
    structlog.get_logger().info("detail")
    assert lines(capsys) == []
