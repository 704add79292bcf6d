"""An inbox with more partitions than the contract says is refused, by name and with the cure."""

import pytest

from omnihub.engine.errors import TaskRefused
from omnihub.engine.worker import refuse_growth


def test_a_partition_that_the_contract_does_not_know_is_refused():
    with pytest.raises(TaskRefused, match=r"stock\.inbox\.v1 has partition 8, the contract says 8"):
        refuse_growth("omni.stock.inbox.v1", partition=8, contracted=8)


def test_every_contracted_partition_is_taken():
    for partition in range(8):
        refuse_growth("omni.stock.inbox.v1", partition, contracted=8)
