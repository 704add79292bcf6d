"""A WooCommerce shop that speaks REST v3 and sends webhooks, for tests and the demo.

Read from the plugin's source, release 11.2: paths, headers, bodies, error codes, what a save does
to `date_modified`, when and how often a webhook is sent. Where the source and its handbook differ,
the source was followed; the README of the connector lists those places.
"""

from omnihub_connectors.woocommerce.simulator.amounts import Tax
from omnihub_connectors.woocommerce.simulator.app import build_app
from omnihub_connectors.woocommerce.simulator.faults import (
    Answer,
    CertainFaults,
    FaultScript,
    Hang,
    WebhookFaults,
)
from omnihub_connectors.woocommerce.simulator.shop import ApiKey, Permissions, Shop, ShopSettings

__all__ = [
    "Answer",
    "ApiKey",
    "CertainFaults",
    "FaultScript",
    "Hang",
    "Permissions",
    "Shop",
    "ShopSettings",
    "Tax",
    "WebhookFaults",
    "build_app",
]
