"""Writes the hub's configuration for a play: three systems, one web channel.

Guarantees: secrets are references to files; every till code and every code of the ERP and the web
store is a cross-reference of its own, so nothing works because codes happen to be alike.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from omnihub_demo import erp, shop
from omnihub_demo.folders import Folders
from omnihub_demo.places import ZONES
from omnihub_demo.play import Owner, Play
from omnihub_demo.verdict import ERP, POS, WEB, WEB_PLACE

ERP_PASSWORD = "tryton_password"  # noqa: S105 (the name of a file)
WORKERS = 2


def write_config(play: Play, folders: Folders, api_port: int, shop_url: str, erp_url: str) -> None:
    """Write `omnihub.yaml`."""
    document = {
        "version": 1,
        "tenant": "grocer",
        "data_dir": folders.data.name,
        "registry": {"port": 0},
        "api": {"port": api_port},
        "workers": {"count": WORKERS},
        "channels": {WEB_PLACE: {"locations": _erp_locations(play)}},
        "safety": {
            "default_milli": 0,
            "locations": {place.location: place.safety_milli for place in play.owned_by(Owner.ERP)},
        },
        "connectors": {
            POS: _pos(play, folders),
            ERP: _erp(play, folders, erp_url),
            WEB: _web(folders, api_port, shop_url),
        },
        "ops": {"log_level": "warning"},
    }
    with folders.config.open("w") as file:
        YAML().dump(document, file)


def cross_references(play: Play) -> Iterator[tuple[str, str, str, str]]:
    """Yield (instance, kind, code, canonical) for every code of every system."""
    for code, place in sorted(play.places.items()):
        yield POS, "location", code, place.location
    for place in play.owned_by(Owner.ERP):
        yield ERP, "location", erp.location_code(place.code), place.location
    for sku in play.erp_skus:
        yield ERP, "sku", erp.product_code(sku), sku
        yield WEB, "sku", shop.code_of(sku), sku


def _pos(play: Play, folders: Folders) -> dict[str, Any]:
    usual = ZONES[0]
    others = {code: place.tz for code, place in sorted(play.places.items()) if place.tz != usual}
    return {
        "type": "poslog",
        "owns": ["stock"],
        "map": {"location": "table", "sku": "identity"},
        "config": {
            "spool": str(folders.spool.absolute()),
            "time_zone": usual,
            "time_zones": others,
            "poll_interval_s": 0.02,
        },
    }


def _erp(play: Play, folders: Folders, url: str) -> dict[str, Any]:
    return {
        "type": "tryton",
        "owns": ["stock"],
        "map": {"location": "table", "sku": "table"},
        "movements": {"locations": _erp_locations(play)},
        "config": {
            "url": url,
            "database": "omnihub",
            "user": "omnihub",
            "password": _reference(folders, ERP_PASSWORD),
            "locations": [erp.location_code(place.code) for place in play.owned_by(Owner.ERP)],
            "timezone": ZONES[0],
            "poll_interval_s": 2.0,
            "late_commit_s": 20.0,
        },
    }


def _web(folders: Folders, api_port: int, url: str) -> dict[str, Any]:
    return {
        "type": "woocommerce",
        "map": {"sku": "table"},
        "levels": {"channel": WEB_PLACE},
        "config": {
            "url": url,
            "consumer_key": _reference(folders, shop.KEY),
            "consumer_secret": _reference(folders, shop.SECRET),
            "webhook_secrets": [_reference(folders, shop.WEBHOOK_SECRET)],
            "webhook_url": f"http://127.0.0.1:{api_port}/v1/webhooks/{WEB}",
        },
    }


def _erp_locations(play: Play) -> list[str]:
    return [place.location for place in play.owned_by(Owner.ERP)]


def _reference(folders: Folders, name: str) -> str:
    return f"${{file:{Path(folders.secrets.name) / name}}}"
