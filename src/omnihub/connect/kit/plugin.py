"""The acceptance kit as a pytest plugin: loaded by every pytest run where omnihub is installed.

Guarantees: costs nothing to those who do not use it (no import of omnihub before a fixture runs).
Gives: assertion messages inside the suites, and the fixture `virtual_time`.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from omnihub.connect.kit.virtual import VirtualTime

pytest.register_assert_rewrite("omnihub.connect.kit.suites", "omnihub.connect.kit.systems")


@pytest.fixture
def virtual_time() -> "VirtualTime":
    """Clocks that stand still and sleeps that only move them."""
    from omnihub.connect.kit.virtual import VirtualTime

    return VirtualTime()
