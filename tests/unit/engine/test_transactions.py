"""What a transaction can be tested for without a broker; the rest is in the lab."""

import subprocess
import sys

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
