"""What is tried again, what ends a transaction, and that nothing takes longer than its time."""

import time

import pytest
from confluent_kafka import KafkaError as Code

from omnihub.broker.clients import Cluster
from omnihub.broker.errors import ProducerFenced, TransactionFailed
from omnihub.broker.messages import FIRST, SECOND, Fixed, InitProducerId, dialect_of
from omnihub.broker.session import LOST, Session


@pytest.fixture
def session():
    return Session(Cluster("127.0.0.1:9"))


class Attempts:
    """Answers one after another."""

    def __init__(self, *answers):
        self.left = list(answers)

    async def __call__(self):
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


@pytest.mark.parametrize(
    "code",
    [
        Code.CONCURRENT_TRANSACTIONS,
        Code.COORDINATOR_LOAD_IN_PROGRESS,
        Code.NOT_COORDINATOR,
        Code.NOT_LEADER_FOR_PARTITION,
        Code.NOT_ENOUGH_REPLICAS,
        Code.UNKNOWN_TOPIC_OR_PART,
        LOST,
    ],
)
async def test_what_passes_is_tried_again(session, code):
    attempts = Attempts([0, code], [code], [0])
    await session.settle(attempts)
    assert attempts.left == [[0]]


@pytest.mark.parametrize(
    "code", [Code.INVALID_PRODUCER_EPOCH, Code.PRODUCER_FENCED, Code.FENCED_INSTANCE_ID]
)
async def test_a_successor_ends_it(session, code):
    with pytest.raises(ProducerFenced, match=Code(code).name()):
        await session.settle(Attempts([0, code, Code.NOT_COORDINATOR]))


@pytest.mark.parametrize(
    "code",
    [
        Code.ILLEGAL_GENERATION,
        Code.UNKNOWN_MEMBER_ID,
        Code.OUT_OF_ORDER_SEQUENCE_NUMBER,
        Code.INVALID_TXN_STATE,
        Code.MSG_SIZE_TOO_LARGE,
        Code.TOPIC_AUTHORIZATION_FAILED,
        9999,
    ],
)
async def test_what_does_not_pass_fails_the_transaction_by_name(session, code):
    with pytest.raises(TransactionFailed, match=Code(code).name()):
        await session.settle(Attempts([code, Code.CONCURRENT_TRANSACTIONS]))


async def test_a_lost_answer_is_not_asked_for_again_where_that_could_do_harm(session):
    with pytest.raises(TransactionFailed):
        await session.settle(Attempts([LOST], [0]), is_repeatable=False)


async def test_the_time_out_tells_the_last_trouble(session):
    began = time.monotonic()
    with pytest.raises(TransactionFailed, match=r"not done in 0\.1 s: NOT_ENOUGH_REPLICAS"):
        async with session.within(0.1):
            await session.settle(Attempts([Code.NOT_ENOUGH_REPLICAS]))
    assert time.monotonic() - began < 2.0


async def test_where_no_time_is_left_nothing_is_done(session):
    done = []
    with pytest.raises(TransactionFailed, match=r"not done in -1\.0 s: no answer"):
        async with session.within(-1.0):
            done.append("sent")
    assert done == []


def features(level: int) -> bytes:
    """Return finalized features as KIP-584 writes them: two, of which one is ours."""
    other, ours = b"kraft.version", b"transaction.version"
    return b"\x03" + b"".join(
        bytes([len(name) + 1]) + name + b"\0" + bytes([most]) + b"\0\0\0"
        for name, most in ((other, 1), (ours, level))
    )


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ({}, FIRST),
        ({1: b"\0" * 8}, FIRST),
        ({2: features(1)}, FIRST),
        ({2: features(2)}, SECOND),
        ({2: features(3)}, SECOND),
    ],
)
def test_the_cluster_tells_how_to_speak_to_it(tags, wanted):
    assert dialect_of(tags) is wanted


def test_a_broker_that_is_too_old_is_told_before_anything_is_sent():
    from aiokafka.errors import IncompatibleBrokerVersion

    message = InitProducerId("id", 1, -1, -1, {})
    assert Fixed(message).prepare({22: (0, 4)}) is message
    for versions in ({22: (0, 3)}, {}):
        with pytest.raises(IncompatibleBrokerVersion, match=r"Use Apache Kafka 2\.8"):
            Fixed(message).prepare(versions)
