"""`omnihub connectors backfill`: where to begin is checked before anything is asked."""

import pytest

from omnihub.cli.backfill import _offset
from omnihub.model.errors import ConfigurationError


def test_an_offset_is_json_in_the_connectors_own_words():
    assert _offset(None) is None
    assert _offset('{"after": "2026-11-01T00:00:00"}') == {"after": "2026-11-01T00:00:00"}


@pytest.mark.parametrize("text", ["2026-11-01", "[1]", "{", '"after"'])
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(ConfigurationError, match=r"--from is no JSON object.*for example"):
        _offset(text)
