"""Kafka is killed in the middle of a day: what was accepted before and after arrives once."""

import os
import signal
import time

import httpx
from running_hub import Hub
from till_files import counted, poslog, sold
from web_shop import body_of, product, signed

FILES = 30
RECOVERY_S = 60.0


def test_kafka_killed_in_the_middle_costs_no_fact_and_repeats_none(hub: Hub) -> None:
    hub.drop("start.xml", poslog(counted(3000, "T-30", 1000)))
    hub.until_on_hand("T-30", 1_000_000)
    killed = hub.broker_pid()
    answers: list[httpx.Response] = []
    for number in range(FILES):
        hub.drop(f"sale-{number}.xml", poslog(sold(3000 + number, "T-30")))
        if number == FILES // 3:
            os.kill(killed, signal.SIGKILL)
        if number == FILES // 3 + 1:
            body = body_of(product(990_000, "H-outage"))
            answers.append(hub.webhook(body, signed(body)))
        time.sleep(0.02)
    (answer,) = answers
    print(f"the webhook in the outage was answered with {answer.status_code}")
    if answer.status_code != 202:  # a broker back within its patience may still take it
        assert answer.status_code == 503, answer.text
        assert answer.json()["type"] == "/problems/unavailable"
        assert int(answer.headers["Retry-After"]) >= 1
        send_until_accepted(hub)

    began = time.monotonic()
    hub.until(lambda: hub.on_hand("T-30") == (1000 - FILES) * 1000, "all sales", RECOVERY_S)
    print(f"all sales arrived {time.monotonic() - began:.1f} s after the last file")
    assert hub.broker_pid() != killed
    hub.until(lambda: hub.product("H-outage"), "the webhook sent again")
    hub.settle()
    level = hub.level("T-30")
    assert level is not None
    assert (level["on_hand_milli"], level["seq"]) == ((1000 - FILES) * 1000, FILES + 1)
    assert not list(hub.incoming.glob("sale-*.xml"))
    hub.until(lambda: hub.get("/ready").status_code == 200, "ready")
    assert hub.process("kafka")["restarts"] >= 1


def send_until_accepted(hub: Hub) -> None:
    """Do what a sender does with 503: the same request again."""
    body = body_of(product(990_000, "H-outage"))
    deadline = time.monotonic() + RECOVERY_S
    while (answer := hub.webhook(body, signed(body))).status_code == 503:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.5)
    assert answer.status_code == 202
