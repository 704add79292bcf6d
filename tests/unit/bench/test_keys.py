"""What a side's log tells of its restores."""

from bench.keys import restored

TOLD = """a line of a log
{"restored": 0, "seconds": 0.1}
{"restored": 300, "seconds": 0.5}
{"restored": 1200, "seconds": 2.0}
{"restored": 12"""


def test_only_a_whole_restore_counts() -> None:
    assert restored(TOLD, at_least=1000) == 600.0
    assert restored(TOLD, at_least=2000) is None
    assert restored("", at_least=0) is None
