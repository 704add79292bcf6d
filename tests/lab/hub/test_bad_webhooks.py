"""Bad webhooks: the sender is told, nothing of it is believed, and its neighbour arrives."""

import itertools
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from running_hub import BODY_LIMIT_BYTES, Hub, without_trace
from web_shop import body_of, product, signed

_numbers = itertools.count(900_000)


class Pair:
    """A good product told right after a bad one."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        number = next(_numbers)
        self.bad_sku, self.good_sku = f"H-{number}-bad", f"H-{number}-good"
        self.bad = product(next(_numbers), self.bad_sku)
        self.good = product(next(_numbers), self.good_sku)

    def neighbour_arrives_alone(self) -> None:
        body = body_of(self.good)
        assert self.hub.webhook(body, signed(body)).status_code == 202
        self.hub.until(lambda: self.hub.product(self.good_sku), self.good_sku)
        self.hub.settle()
        assert self.hub.product(self.bad_sku) is None


@pytest.fixture
def pair(hub: Hub) -> Pair:
    return Pair(hub)


def problem(answer: Any, status: int, kind: str) -> str:
    """Return the words of a problem, after a look at its form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["type"], told["status"]) == (f"/problems/{kind}", status)
    return f"{told['title']}: {told['detail']}"


def without(headers: Mapping[str, str], name: str) -> Mapping[str, str]:
    return {key: value for key, value in headers.items() if key != name}


def test_an_unsigned_webhook_is_401_and_says_which_header_is_missing(pair: Pair) -> None:
    body = body_of(pair.bad)
    headers = without(signed(body), "X-WC-Webhook-Signature")
    told = problem(pair.hub.webhook(body, headers), 401, "bad-signature")
    assert "X-WC-Webhook-Signature" in told
    pair.neighbour_arrives_alone()


@pytest.mark.parametrize("signature", ["another", "bm90IGJhc2U2NA==", "%%%", "\u00fc", ""])
def test_a_wrong_signature_is_401_and_never_500(pair: Pair, signature: str) -> None:
    body = body_of(pair.bad)
    headers = dict(signed(body, "another secret"))
    if signature != "another":
        headers["X-WC-Webhook-Signature"] = signature.encode("latin-1")  # type: ignore[assignment]
    problem(pair.hub.webhook(body, headers), 401, "bad-signature")
    pair.neighbour_arrives_alone()


def test_a_body_cut_after_signing_is_401(pair: Pair) -> None:
    body = body_of(pair.bad)
    told = problem(pair.hub.webhook(body[:-20], signed(body)), 401, "bad-signature")
    assert "secret" in told
    pair.neighbour_arrives_alone()


def test_a_connection_that_breaks_within_the_body_is_never_accepted(pair: Pair) -> None:
    body = body_of(pair.bad)
    head = f"POST /v1/webhooks/shop HTTP/1.1\r\nHost: hub\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in signed(body).items())
    base = pair.hub.api.base_url
    with socket.create_connection((base.host, base.port), 10) as connection:
        connection.sendall(head.encode() + b"\r\n" + body[:-20])
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
    assert b" 202 " not in answer
    pair.neighbour_arrives_alone()
    without_trace(pair.hub.log("api"))


@pytest.mark.parametrize("announced", [True, False])
def test_an_oversized_body_is_413_with_the_limit_and_its_setting(
    pair: Pair, announced: bool
) -> None:
    body = body_of({**pair.bad, "description": "x" * BODY_LIMIT_BYTES})
    answer = pair.hub.webhook(body if announced else in_pieces(body), signed(body))
    told = problem(answer, 413, "body-too-large")
    assert f"{BODY_LIMIT_BYTES} bytes (api.body_limit_bytes)" in told
    pair.neighbour_arrives_alone()


def in_pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 16 * 1024):
        yield body[start : start + 16 * 1024]


@pytest.mark.parametrize("instance", ["nobody", "pos"])
def test_an_unknown_receiver_is_404_with_its_name(pair: Pair, instance: str) -> None:
    body = body_of(pair.bad)
    answer = pair.hub.webhook(body, signed(body), instance)
    assert f"'{instance}'" in problem(answer, 404, "unknown-instance")
    pair.neighbour_arrives_alone()


@pytest.mark.parametrize("body", [b"<html>maintenance</html>", b"\xff\xfe", b'{"name": "no id"}'])
def test_what_is_no_product_but_rightly_signed_is_kept_and_waits_for_a_person(
    pair: Pair, body: bytes
) -> None:
    hub = pair.hub
    assert hub.webhook(body, signed(body)).status_code == 202
    pair.neighbour_arrives_alone()
    (parked,) = hub.parked("is no WooCommerce resource")
    assert (parked["task"], parked["record_type"]) == ("split-woocommerce", "RawDelivery")
    assert "mend it, then retry or skip" in parked["cure"]
    skipped = hub.command("hospital", "skip", parked["task"], parked["park_key"], "--reason", "x")
    assert skipped.returncode == 0, skipped.stderr
    hub.until(lambda: not hub.parked("is no WooCommerce resource"), "skipped")


def test_a_product_that_does_not_fit_its_model_waits_with_the_field_and_without_its_value(
    pair: Pair,
) -> None:
    body = body_of({**pair.bad, "stock_quantity": "kaputt"})
    assert pair.hub.webhook(body, signed(body)).status_code == 202
    pair.neighbour_arrives_alone()
    (parked,) = pair.hub.parked("does not fit Product")
    assert "stock_quantity" in parked["error"]
    assert "kaputt" not in parked["error"]


def test_a_product_without_sku_is_refused_by_name(pair: Pair) -> None:
    body = body_of({**pair.bad, "sku": ""})
    assert pair.hub.webhook(body, signed(body)).status_code == 202
    pair.neighbour_arrives_alone()
    (refused,) = pair.hub.rejected(str(pair.bad["id"]))
    assert (refused["reason_code"], refused["source"]) == ("sku_missing", "shop")
    assert "Give it one in the shop" in refused["detail"]


def test_a_replayed_webhook_has_no_second_effect(pair: Pair) -> None:
    body = body_of(pair.good)
    for _ in range(3):
        assert pair.hub.webhook(body, signed(body)).status_code == 202
    pair.neighbour_arrives_alone()
    known = pair.hub.product(pair.good_sku)
    assert known is not None
    assert known["seq"] == 1
