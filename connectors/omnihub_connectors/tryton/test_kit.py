"""Tryton in the acceptance kit: the pure half on recorded pages, the rest on a real server."""

import pytest

from omnihub.connect.kit.subject import Subject
from omnihub.connect.kit.suites import ConfigSuite, MappingSuite
from omnihub.connect.kit.systems import SinkSuite
from omnihub_connectors.tryton.connector import Tryton
from omnihub_connectors.tryton.doubles import Shop
from omnihub_connectors.tryton.feeds import COUNT_LINE, MOVE, PRODUCT, SALE
from omnihub_connectors.tryton.test_mapping import CONFIG, page
from omnihub_connectors.tryton.test_movements import movement, sales


class TestTryton(ConfigSuite, MappingSuite):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(
            connector=Tryton,
            config=CONFIG.model_dump(),
            samples=[
                page("products", PRODUCT),
                page("counts", COUNT_LINE),
                page("moves", MOVE),
                page("sales", SALE),
                page("deliveries", MOVE),
            ],
        )


@pytest.mark.tryton
class TestTrytonServer(SinkSuite):
    """Its source is in `test_feeds`: the kit signs in for every poll, which Tryton makes slow."""

    @pytest.fixture
    def subject(self, shop: Shop) -> Subject:
        return Subject(
            connector=Tryton,
            config=shop.config.model_dump(),
            commands=sales(shop, 4),
            refused=movement(shop, "SKU-NONE"),
            effects=shop.on_hand,
        )
