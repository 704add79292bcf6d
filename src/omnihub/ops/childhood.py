"""What a supervised process does first: it ties its life to its supervisor's.

Guarantees: on Linux, when the supervisor ends in any way, kill -9 included, the kernel signals
this process. Does not: work on other systems; there an orphan ends when its work fails.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Mapping

SUPERVISOR_VARIABLE = "OMNIHUB_SUPERVISOR_PID"
TOKEN_VARIABLE = "OMNIHUB_RUN_TOKEN"  # noqa: S105  the name of a variable, not a secret
_PR_SET_PDEATHSIG = 1


def die_with_supervisor(environ: Mapping[str, str], number: signal.Signals) -> None:
    """Ask the kernel for `number` when the supervisor named in `environ` ends; no-op without."""
    named = environ.get(SUPERVISOR_VARIABLE, "")
    if not named or sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) == -1:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # It may have ended between the fork and the prctl: then nobody will signal us any more.
    if os.getppid() != int(named):
        os.kill(os.getpid(), number)
