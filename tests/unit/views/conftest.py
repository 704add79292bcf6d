"""A view in a temporary file and an in-memory log to fold."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from omnihub.broker.memory import MemoryLog
from omnihub.contracts.topics import Topics
from omnihub.views.schema import open_views


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(Topics.load())


@pytest.fixture
def open_view(tmp_path: Path) -> Callable[[str], Engine]:
    return lambda name: open_views(f"sqlite:///{tmp_path}/{name}.sqlite")
