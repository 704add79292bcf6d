"""Asks the machine about TCP ports on the loopback address."""

import random
import socket
from collections.abc import Collection

# Below every system's range of outgoing ports: a client that keeps dialing a stopped broker could
# otherwise be given the broker's port as its own, connect to itself and keep the broker out.
CANDIDATES = range(20_000, 30_000)
CONTROLLERS = range(19_000, 20_000)
"""For the controllers of embedded brokers: chosen when a broker starts, while ports that a run has
settled for its other processes still have no listener."""


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def choose_free(host: str, taken: Collection[int] = (), among: range = CANDIDATES) -> int:
    """Return a port that is free now, not one of `taken`, and not used for outgoing connections."""
    for port in random.sample(among, k=200):
        if port not in taken and is_free(host, port):
            return port
    raise OSError(f"no free port on {host} between {among[0]} and {among[-1]}")
