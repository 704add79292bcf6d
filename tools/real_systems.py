"""Prints the closing line of `make test`: which real systems ran in it.

Tests write one line `name version` each into build/real-systems.txt; an empty file is a failure:
a run in which nothing real took part proves less than it claims.
"""

import sys
from pathlib import Path

RECORD = Path("build/real-systems.txt")


def main() -> int:
    """Print the line; return 1 when nothing real ran."""
    seen = sorted(set(RECORD.read_text().splitlines())) if RECORD.is_file() else []
    if not seen:
        print("real systems: none ran", file=sys.stderr)
        return 1
    print(f"real systems in this run: {', '.join(seen)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
