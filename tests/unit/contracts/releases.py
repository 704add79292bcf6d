"""Neighbouring releases of the hub for tests: real copies of the code with other schemas."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omnihub.contracts.avsc import load_schemas
from omnihub.contracts.generate import generate
from omnihub.contracts.released import keep_release

CHECKOUT = Path(__file__).parents[3]
FIRST, SECOND = "9999.0.0", "9999.1.0"
"""Versions under which schemas are kept, in the copies alone."""
NOTE = {"name": "note", "type": ["null", "string"], "default": None}


@dataclass(frozen=True)
class Release:
    """One version of the code, in a folder of its own."""

    root: Path = CHECKOUT

    def copy(self, root: Path) -> "Release":
        """Return a release with the same code."""
        shutil.copytree(
            self.root / "src" / "omnihub",
            root / "src" / "omnihub",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        shutil.copytree(self.root / "schemas", root / "schemas")
        return Release(root)

    def keep(self, version: str) -> None:
        """Keep its schemas as those of a release."""
        keep_release(self.root / "schemas", version)

    def add_field(self, file: str, field: dict[str, Any]) -> None:
        """Add a field to a record."""
        path = self.root / "schemas" / file
        schema = json.loads(path.read_text())
        schema["fields"].append(field)
        path.write_text(json.dumps(schema, indent=2))
        records = self.root / "src" / "omnihub" / "model" / "records.py"
        records.write_text(generate(load_schemas(self.root / "schemas")))

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment of its processes."""
        return {**os.environ, "PYTHONPATH": str(self.root / "src")}


def next_release(root: Path) -> Release:
    """Return the release after the checkout: it knows two new fields and sets neither."""
    release = Release().copy(root)
    release.keep(FIRST)
    release.add_field("stock/StockLevel.avsc", NOTE)
    release.add_field("stock/StockMoved.avsc", NOTE)
    return release


def second_release(root: Path) -> Release:
    """Return the release after the next: it writes what the checkout does not know."""
    release = next_release(root)
    release.keep(SECOND)
    return release
