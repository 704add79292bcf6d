"""Finds and reads the .avsc files of the contract.

Guarantees: every file under `schemas/` is read once, in a stable order, and is keyed by its full
name. Does not: check compatibility (see `check`) or encode anything (see `codec`).
"""

import json
from pathlib import Path
from typing import Any

NAMESPACE = "omnihub"
Schema = dict[str, Any]


def schemas_dir() -> Path:
    """Return the folder of the contract: inside the wheel, or at the top of a checkout."""
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "_schemas", package.parent.parent / "schemas"):
        if (candidate / "topics.yaml").is_file():
            return candidate
    raise FileNotFoundError(f"No schemas/topics.yaml beside {package}. Reinstall omnihub.")


def load_schemas(folder: Path | None = None) -> dict[str, Schema]:
    """Read every current .avsc below `folder` (released versions under `released/` excluded)."""
    root = folder or schemas_dir()
    found: dict[str, Schema] = {}
    for path in sorted(root.rglob("*.avsc")):
        if "released" in path.relative_to(root).parts:
            continue
        schema = json.loads(path.read_text(encoding="utf-8"))
        found[f"{schema['namespace']}.{schema['name']}"] = schema
    return found
