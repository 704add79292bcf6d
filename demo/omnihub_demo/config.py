"""Writes the hub's configuration for a play: tills, ERP, web store, app and mail, three channels.

Guarantees: secrets are references to files; every till code and every code of the ERP and the web
store is a cross-reference of its own, so nothing works because codes happen to be alike.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from omnihub_demo import erp, shop
from omnihub_demo.folders import Folders
from omnihub_demo.places import WAREHOUSE, ZONES
from omnihub_demo.play import Owner, Play
from omnihub_demo.verdict import ERP, POS, WEB, WEB_PLACE

ERP_PASSWORD = "tryton_password"  # noqa: S105 (the name of a file)
WORKERS = 2
PARTITIONS = WORKERS
"""As many as can be shared out; each one more is work for the broker at every commit."""
APP, MAIL = "app", "mail"
APP_PLACE, PHONE_PLACE = "APP", "PHONE"
WRITE_KEY = "app_write_key"


def write_config(
    play: Play, folders: Folders, api_port: int, shop_url: str, erp_url: str, mail_port: int
) -> None:
    """Write `omnihub.yaml`."""
    warehouse = play.places[WAREHOUSE].location
    document = {
        "version": 1,
        "tenant": "grocer",
        "data_dir": folders.data.name,
        "registry": {"port": 0},
        "api": {"port": api_port},
        "workers": {"count": WORKERS},
        "partitions": {"default": PARTITIONS, "raw": WORKERS},
        "channels": {name: {"locations": places} for name, places in channel_places(play).items()},
        "locations": _locations(play),
        "orders": {"sources": {key: [warehouse] for key in (WEB_PLACE, APP_PLACE, PHONE_PLACE)}},
        "safety": {
            "default_milli": 0,
            "locations": {place.location: place.safety_milli for place in play.owned_by(Owner.ERP)},
        },
        "connectors": {
            POS: _pos(play, folders),
            ERP: _erp(play, folders, erp_url),
            WEB: _web(folders, api_port, shop_url),
            APP: _app(folders),
            MAIL: _mail(mail_port),
        },
        "ops": {"log_level": "warning"},
    }
    with folders.config.open("w") as file:
        YAML().dump(document, file)


def channel_places(play: Play) -> dict[str, list[str]]:
    """Return the places that each channel sells from."""
    return {
        WEB_PLACE: _erp_locations(play),
        APP_PLACE: _app_locations(play),
        PHONE_PLACE: [play.places[WAREHOUSE].location],
    }


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
        "sales": {"locations": _erp_locations(play)},
        "totals": {"channels": [WEB_PLACE, APP_PLACE]},
        "orders": {"channel": PHONE_PLACE},
        "config": {
            "url": url,
            "database": "omnihub",
            "user": "omnihub",
            "password": _reference(folders, ERP_PASSWORD),
            "locations": [erp.location_code(place.code) for place in play.owned_by(Owner.ERP)],
            "timezone": ZONES[0],
            "late_commit_s": 20.0,
            "read_sales": True,
            "payment_of_sales": "PAID",
        },
    }


def _web(folders: Folders, api_port: int, url: str) -> dict[str, Any]:
    return {
        "type": "woocommerce",
        "map": {"sku": "table"},
        "levels": {"channel": WEB_PLACE},
        "orders": {"channel": WEB_PLACE, "status": True},
        "config": {
            "url": url,
            "consumer_key": _reference(folders, shop.KEY),
            "consumer_secret": _reference(folders, shop.SECRET),
            "webhook_secrets": [_reference(folders, shop.WEBHOOK_SECRET)],
            "webhook_url": f"http://127.0.0.1:{api_port}/v1/webhooks/{WEB}",
            "trusts_email": True,
        },
    }


def _app(folders: Folders) -> dict[str, Any]:
    return {
        "type": "app",
        "map": {"sku": "identity", "location": "identity"},
        "orders": {"channel": APP_PLACE},
        "config": {"write_keys": [_reference(folders, WRITE_KEY)], "trusts_email": True},
    }


def _mail(port: int) -> dict[str, Any]:
    return {
        "type": "smtp",
        "messages": {"channel": "email"},
        "config": {
            "host": "127.0.0.1",
            "port": port,
            "tls": "none",
            "sender": "Grocer <orders@grocer.example>",
        },
    }


def _locations(play: Play) -> dict[str, Any]:
    """Return every place of a channel, open around the clock: the play is a week in minutes."""
    always = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "00:00-24:00")
    places = [place for place in play.places.values() if place.location in _app_locations(play)]
    return {
        place.location: {
            "kind": "warehouse" if place.code == WAREHOUSE else "store",
            "lat": 39.1 + number / 100,
            "lon": -84.5,
            "tz": place.tz,
            "services": ["ship"] if place.code == WAREHOUSE else ["ship", "pickup", "return"],
            "opening_hours": always,
        }
        for number, place in enumerate(sorted(places, key=lambda each: each.code))
    }


def _app_locations(play: Play) -> list[str]:
    stores = (play.places[code].location for code in sorted(play.pickup_stores))
    return list(dict.fromkeys([*_erp_locations(play), *stores]))


def _erp_locations(play: Play) -> list[str]:
    return [place.location for place in play.owned_by(Owner.ERP)]


def _reference(folders: Folders, name: str) -> str:
    return f"${{file:{Path(folders.secrets.name) / name}}}"
