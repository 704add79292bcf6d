"""What a transaction can be tested for without a broker; the rest is in the lab."""

import subprocess
import sys

import pytest
from confluent_kafka import KafkaError, KafkaException

from omnihub.engine.errors import SlotTaken
from omnihub.engine.transactions import _cause_of, _lost

STUCK = """
import time
from omnihub.engine.transactions import ending_the_process_after

with ending_the_process_after(5):
    pass
with ending_the_process_after(0.1):
    time.sleep(60)
"""


def test_a_call_that_never_returns_ends_the_process_with_a_trace():
    ran = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=30)
    assert ran.returncode == 1
    assert "Timeout" in ran.stderr
    assert 'File "<string>", line 8' in ran.stderr


def test_a_producer_fenced_inside_a_callback_says_whose_slot_it_is():
    around = SystemError("a callback returned a result with an exception set")
    around.__cause__ = KafkaException(KafkaError(KafkaError._FENCED))
    assert isinstance(_lost("commit", _cause_of(around)), SlotTaken)


def test_a_fault_of_the_interpreter_is_not_taken_for_kafkas():
    with pytest.raises(SystemError):
        _cause_of(SystemError("something else"))
