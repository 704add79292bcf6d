"""Puts the worlds that several tests of rules share (`orders_world`) on the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
