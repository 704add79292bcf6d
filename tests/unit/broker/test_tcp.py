"""Ports: free means that a server could listen now."""

import socket

from omnihub.broker.tcp import CANDIDATES, CONTROLLERS, choose_free, is_free

HOST = "127.0.0.1"


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.create_server((HOST, 0)) as server:
        assert not is_free(HOST, server.getsockname()[1])


def test_a_listener_on_every_address_counts_too() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        assert not is_free(HOST, server.getsockname()[1])


def test_a_chosen_port_is_free_not_taken_and_never_used_for_outgoing_connections() -> None:
    taken: set[int] = set()
    for _ in range(20):
        port = choose_free(HOST, taken)
        assert is_free(HOST, port)
        assert port not in taken
        assert port < 32_768
        taken.add(port)


def test_a_controller_takes_no_port_that_a_run_may_have_settled_for_another_process() -> None:
    assert not set(CONTROLLERS) & set(CANDIDATES)
    assert choose_free(HOST, among=CONTROLLERS) in CONTROLLERS
