"""The canary: people planted through every way in leave no trace outside what may show them.

A hub of its own with a shop, an app, tills and a mail server. Each person comes in by one way, so a
trace names the way it took. One record is written without sealing on purpose: the control.
"""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import default
from hashlib import md5, sha1, sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from aiosmtpd.controller import Controller
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from planted import Net, Person
from running_hub import Hub, without_trace
from sightings import Sighting, answer, files, topics
from till_files import counted, poslog
from web_shop import KEYS, WEBHOOK_SECRET, Shop, body_of, signed

from omnihub.broker.tcp import choose_free
from omnihub.contracts.codec import Codec
from omnihub.model.ids import DeliveryId, InstanceId, TenantId
from omnihub.model.records import DeliveryKind, RawDelivery

SKU, STORE = "C-1", "S1"
WRITE_KEY = "wk_canary_0123456789"
CONTROL = "canary-control"
"""A topic of the test's own, with one record that was written without sealing."""
ENOUGH = 500
SCOPES = ("personal", "read", "write")

GUEST, MEMBER = Person("guest", 11), Person("member", 12)
USER, BUYER = Person("user", 13), Person("buyer", 14)
CALLER, PARKED, REFUSED = Person("caller", 15), Person("parked", 16), Person("refused", 17)
PROBED, UNSEALED = Person("probed", 18), Person("unsealed", 19)
ALL = (GUEST, MEMBER, USER, BUYER, CALLER, PARKED, REFUSED, PROBED, UNSEALED)
KNOWN = (GUEST, MEMBER, USER, BUYER, CALLER)
ORDERED = (GUEST, BUYER, CALLER)


class PostOffice:
    """A mail server that keeps each mail as a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._controller = Controller(self, hostname="127.0.0.1", port=choose_free("127.0.0.1"))
        self.port = self._controller.port
        self._controller.start()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep a mail."""
        number = len(list(self.folder.iterdir()))
        (self.folder / f"{number}.eml").write_bytes(envelope.content)
        return "250 OK"

    def mails_to(self, person: Person) -> list[Message]:
        """Return what somebody was sent."""
        parser = BytesParser(policy=default)
        mails = [parser.parsebytes(path.read_bytes()) for path in sorted(self.folder.iterdir())]
        return [mail for mail in mails if person.email.lower() in str(mail["To"]).lower()]

    def close(self) -> None:
        """End it."""
        self._controller.stop()


@dataclass
class Lab:
    """A hub in which everybody was planted, and the keys to ask it with."""

    hub: Hub
    shop: Shop
    post: PostOffice
    helpdesk: httpx.Client
    reader: httpx.Client
    writer: httpx.Client

    def order_of(self, person: Person) -> dict[str, Any] | None:
        """Return the order that shows `person`, as a key with the scope `personal` sees it."""
        for row in self.helpdesk.get("/v1/orders").json()["items"]:
            detail = self.helpdesk.get(f"/v1/orders/{row['order_id']}").json()
            if (detail.get("contact") or {}).get("email") == person.email.casefold():
                return dict(detail)
        return None

    def customer_of(self, person: Person) -> dict[str, Any] | None:
        """Return the customer that `person` is, as a key with the scope `personal` sees them."""
        found = self.helpdesk.post("/v1/customers/search", json={"email": person.email})
        items = found.json()["items"]
        return dict(items[0]) if items else None


def config_of(folder: Path, api_port: int, shop_url: str, mail_port: int) -> dict[str, Any]:
    """Return an installation with every kind of neighbour that tells of people."""
    till = {"spool": str(folder / "spool"), "time_zone": "America/New_York"}
    shop = {
        "url": shop_url,
        "consumer_key": "${env:WOO_CONSUMER_KEY}",
        "consumer_secret": "${env:WOO_CONSUMER_SECRET}",
        "webhook_secrets": ["${env:LAB_WEBHOOK_SECRET}"],
        "webhook_url": f"http://127.0.0.1:{api_port}/v1/webhooks/shop",
        "poll_interval_s": 1.0,
        "customers_interval_s": 2.0,
        "settle_s": 1,
    }
    mail = {"host": "127.0.0.1", "port": mail_port, "tls": "none", "sender": "orders@shop.example"}
    known = {"sku": "identity", "location": "identity"}
    connectors = {
        "pos": {"type": "poslog", "owns": ["stock"], "map": known, "config": till},
        "shop": {
            "type": "woocommerce",
            "map": known,
            "levels": {"channel": "web"},
            "orders": {"channel": "web", "status": True},
            "config": shop,
        },
        "app": {
            "type": "app",
            "map": known,
            "orders": {"channel": "app"},
            "config": {"write_keys": ["${env:LAB_WRITE_KEY}"], "region": "NL"},
        },
        "mail": {"type": "smtp", "messages": {"channel": "email"}, "config": mail},
    }
    return {
        "api": {"port": api_port},
        "registry": {"port": 0},
        "workers": {"count": 1},
        "partitions": {"default": 2, "raw": 1},
        "channels": {name: {"locations": [STORE]} for name in ("web", "app", "phone")},
        "locations": {STORE: {"kind": "store", "services": ["ship", "pickup"]}},
        "orders": {"sources": {name: [STORE] for name in ("web", "app", "phone")}},
        "connectors": connectors,
    }


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Everybody is planted, and all of it has arrived."""
    with ExitStack() as closing:
        post = PostOffice(tmp_path_factory.mktemp("post"))
        closing.callback(post.close)
        product = {"sku": SKU, "name": "Canary seed", "regular_price": "1.99", "manage_stock": True}
        shop_folder = tmp_path_factory.mktemp("canary-shop")
        shop = Shop(choose_free("127.0.0.1"), [{**product, "stock_quantity": 9}], shop_folder)
        closing.callback(shop.stop)
        folder = tmp_path_factory.mktemp("canary")
        config = config_of(folder, choose_free("127.0.0.1"), shop.url, post.port)
        secrets = {"LAB_WEBHOOK_SECRET": WEBHOOK_SECRET, "LAB_WRITE_KEY": WRITE_KEY}
        hub = Hub(folder, config, {**KEYS, **secrets})
        hub.start()
        closing.callback(hub.stop)
        clients = [closing.enter_context(client_of(hub, scope)) for scope in SCOPES]
        lab = Lab(hub, shop, post, *clients)
        plant(lab)
        yield lab
    without_trace(hub.shown.read_text())


def client_of(hub: Hub, scope: str) -> httpx.Client:
    """Return somebody with a key of one scope."""
    key = hub.command_json("keys", "add", scope, "--scope", scope)["key"]
    return httpx.Client(base_url=hub.api.base_url, headers={"Authorization": f"Bearer {key}"})


def plant(lab: Lab) -> None:
    """Let everybody in, each by their own way, and wait until all of it was dealt with."""
    hub = lab.hub
    plant_control(hub)
    hub.drop("count.xml", poslog(counted(1, SKU, 100, store=STORE)))
    hub.until_on_hand(SKU, 100_000, STORE)
    tell_shop(lab)
    tell_app(hub)
    place_by_api(lab.writer, CALLER)
    tell_what_is_wrong(hub)
    hub.until(lambda: all(lab.post.mails_to(person) for person in ORDERED), "the mails", 40)
    hub.until(lambda: all(lab.customer_of(person) for person in KNOWN), "the customers", 40)
    hub.until(lambda: hub.parked("fit"), "a parked order")
    hub.until(lambda: hub.rejected("9002"), "a refused order")
    hub.settle()


def plant_control(hub: Hub) -> None:
    """Write a record as the hub's own producers do, but without sealing it."""
    codec = Codec.offline()
    record = RawDelivery(
        delivery_id=DeliveryId("control"),
        tenant=TenantId("main"),
        connector="control",
        instance=InstanceId("control"),
        kind=DeliveryKind.WEBHOOK,
        stream="control",
        name="control",
        body=body_of(person_json(UNSEALED)),
        accepted_at_us=1,
    )
    cluster = {"bootstrap.servers": hub.run()["bootstrap"]}
    admin = AdminClient(cluster)
    admin.create_topics([NewTopic(CONTROL, 1)])[CONTROL].result(20)
    producer = Producer({**cluster, "compression.type": "lz4"})
    producer.produce(CONTROL, codec.encode(record))
    assert producer.flush(20) == 0


def person_json(person: Person) -> dict[str, str]:
    """Return somebody as most systems write them."""
    return {"name": person.name, "email": person.email, "phone": person.phone}


def billing(person: Person) -> dict[str, Any]:
    """Return somebody as the shop writes them."""
    names = {"first_name": person.first_name, "last_name": person.last_name}
    reach = {"email": person.email, "phone": person.phone}
    return {**names, **reach, "address_1": person.street, "city": "Utrecht", "country": "NL"}


def tell_shop(lab: Lab) -> None:
    """A guest orders, a member signs up: the shop tells by webhook, and is polled."""
    line = {"sku": SKU, "quantity": 1}
    order = {"payment_method": "stripe", "set_paid": True, "currency": "EUR", "line_items": [line]}
    placed = lab.shop.rest.post("/orders", json={**order, "billing": billing(GUEST)})
    assert placed.status_code == 201, placed.text
    account = {**billing(MEMBER), "username": MEMBER.email, "billing": billing(MEMBER)}
    made = lab.shop.rest.post("/customers", json=account)
    assert made.status_code == 201, made.text


def tell_app(hub: Hub) -> None:
    """A user is identified by an e-mail address as id; a buyer orders without a login."""
    traits = {**person_json(USER), "address": {"street": USER.street, "country": "NL"}}
    call(hub, "identify", userId=USER.email, messageId=USER.email, traits=traits)
    properties = {
        "order_id": "APP-1",
        "currency": "EUR",
        "total": 1.99,
        "products": [{"sku": SKU, "name": "Canary seed", "price": 1.99, "quantity": 1}],
        **person_json(BUYER),
        "shipping_address": {"street": BUYER.street, "country": "NL"},
    }
    call(hub, "track", anonymousId="a-1", event="Order Completed", properties=properties)


def call(hub: Hub, kind: str, status: int = 200, **message: Any) -> None:
    """Make a call as the app's library does, from a page that has somebody in its address."""
    headers = {"Referer": f"https://shop.example/?email={USER.email}", "From": USER.email}
    url = hub.api.base_url.join(f"/in/app/v1/{kind}")
    told = httpx.post(url, json={"type": kind, **message}, headers=headers, auth=(WRITE_KEY, ""))
    assert told.status_code == status, told.text


def place_by_api(writer: httpx.Client, person: Person) -> None:
    """Place an order over the API, with the buyer's address as the caller's id of the buyer."""
    line = {"line_id": "1", "sku": SKU, "quantity_milli": 1000}
    amounts = {"unit_price_minor": 199, "total_minor": 199}
    body = {
        "channel": "phone",
        "currency": "EUR",
        "payment": "PAID",
        "lines": [{**line, **amounts}],
        "total_minor": 199,
        "customer": person.email,
        "contact": {**person_json(person), "address": {"lines": [person.street], "country": "NL"}},
    }
    key = {"Idempotency-Key": "canary-1"}
    told = writer.post("/v1/orders", json=body, headers={**key, "Prefer": "wait=20"})
    assert told.status_code == 200, told.text
    assert "contact" not in told.json()


def tell_what_is_wrong(hub: Hub) -> None:
    """An order that does not fit its form parks, one with a wrong sum is refused."""
    person = billing(PARKED)
    parked = {
        "id": 9001,
        "status": "processing",
        "currency": "EUR",
        "total": PARKED.phone,
        "date_created_gmt": PARKED.email,
        "billing": person | {"email": [PARKED.email], "phone": person},
        "line_items": [{"id": PARKED.email, "sku": SKU, "quantity": PARKED.name}],
        "meta_data": {PARKED.email: PARKED.name},
    }
    item = {"id": 1, "sku": SKU, "quantity": 1, "subtotal": "1.99", "total": "1.99"}
    refused = {
        "id": 9002,
        "status": "processing",
        "currency": "EUR",
        "total": "77.00",
        "date_modified_gmt": "2026-11-16T10:00:00",
        "billing": billing(REFUSED),
        "line_items": [item],
    }
    for order in (parked, refused):
        body = body_of(order)
        headers = {**signed(body), "X-WC-Webhook-Topic": "order.updated"}
        about = {"X-WC-Webhook-Resource": "order", "Referer": f"/?email={REFUSED.email}"}
        assert hub.webhook(body, {**headers, **about}).status_code == 202
    unreadable = {"order_id": "APP-9", "products": [{"quantity": PARKED.name}]}
    call(hub, "track", anonymousId="a-2", event="Order Completed", properties=unreadable)


def probes(lab: Lab) -> Iterator[Sighting]:
    """Make calls that fail, with somebody in their path, query, headers or body."""
    email, phone = PROBED.email, PROBED.phone
    asks = [
        *((lab.helpdesk, f"/v1/{kind}/{email}", {}) for kind in ("orders", "customers", "carts")),
        (lab.helpdesk, f"/v1/{email}", {"email": email}),
        (lab.helpdesk, "/v1/orders", {"status": email, "limit": phone, "cursor": email}),
        (lab.helpdesk, "/v1/customers", {"email": email}),
        (lab.helpdesk, "/v1/hospital", {"limit": email}),
        (lab.helpdesk, "/v1/stores/nearby", {"lat": phone, "lon": email, "sku": SKU}),
    ]
    for client, path, params in asks:
        told = client.get(path, params=params)
        assert told.status_code >= 400, told.text
        yield answer(f"GET {path}", told)
    yield from _posts(lab)


def _posts(lab: Lab) -> Iterator[Sighting]:
    person, email = person_json(PROBED), PROBED.email
    broken = body_of(person)[:-5]
    as_json = {"Content-Type": "application/json", "Idempotency-Key": "canary-2"}
    told = [
        lab.writer.post("/v1/orders", json={"contact": person, "channel": [email]}),
        lab.writer.post("/v1/orders", json={"contact": {"email": [email]}}, headers=as_json),
        lab.writer.post("/v1/orders", content=broken, headers=as_json),
        lab.writer.post(f"/v1/orders/{email}/cancel", json={"reason": email}),
        lab.writer.post(f"/v1/orders/{email}/cancel", json={"reason": "changed_mind"}),
        lab.reader.post("/v1/customers/search", json={"email": email}),
        lab.helpdesk.post("/v1/customers/search", json={"email": email, "phone": PROBED.phone}),
        lab.helpdesk.post("/v1/customers/search", json={"email": PROBED.name}),
        lab.helpdesk.post("/v1/webhooks/shop", params=person, content=body_of(person)),
        lab.helpdesk.post("/in/app/v1/track", params=person, content=broken, auth=(WRITE_KEY, "")),
        lab.helpdesk.post("/in/app/v1/identify", json=person, auth=(email, "")),
    ]
    for one in told:
        assert one.status_code >= 400, one.text
        yield answer(f"POST {one.request.url.path}", one)


def answers_to_readers(lab: Lab) -> Iterator[Sighting]:
    """Ask, without the scope, for everything there is."""
    for client, path in ((lab.reader, "/v1/orders"), (lab.writer, "/v1/orders")):
        listed = client.get(path)
        yield answer(f"GET {path}", listed)
        for row in listed.json()["items"]:
            yield answer("GET an order", client.get(f"/v1/orders/{row['order_id']}"))
    for person in KNOWN:
        customer = lab.customer_of(person)
        assert customer is not None
        yield answer("GET a customer", lab.reader.get(f"/v1/customers/{customer['customer_id']}"))
    for path in ("/v1/hospital", "/v1/rejected", "/v1/map", "/ready", "/v1/metrics/targets"):
        yield answer(f"GET {path}", lab.reader.get(path, params={}))


def metrics(lab: Lab) -> Iterator[Sighting]:
    """Ask every process for its figures."""
    run = lab.hub.run()
    key = {"Authorization": f"Bearer {run['token']}"}
    for row in run["processes"]:
        told = httpx.get(f"http://127.0.0.1:{row['port']}/metrics", headers=key)
        assert told.status_code == 200, row
        yield answer(f"metrics of {row['name']}", told)


def printed(lab: Lab) -> list[Sighting]:
    """Run what operators run, without asking for what is personal."""
    order = lab.order_of(GUEST)
    customer = lab.customer_of(MEMBER)
    assert order
    assert customer
    tails = ("raw.app", "entity.woocommerce", "order.inbox", "customer.inbox", "command.mail")
    commands = [
        ("explain", order["order_id"]),
        ("explain", customer["customer_id"], "--json"),
        ("order", "show", order["order_id"]),
        ("customer", "show", customer["customer_id"]),
        ("hospital", "list"),
        ("hospital", "list", "--json"),
        *(("topics", "tail", f"omni.{name}.v1", "--decode", f"--last={ENOUGH}") for name in tails),
    ]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda words: _printed(lab.hub, words), commands))


def _printed(hub: Hub, words: tuple[str, ...]) -> Sighting:
    done = hub.command(*words)
    assert done.returncode == 0, (words, done.stderr)
    assert done.stdout.strip(), words
    return Sighting(f"omnihub {' '.join(words)}", (done.stdout + done.stderr).encode())


def has_no_trace(net: Net, sightings: Iterable[Sighting]) -> None:
    """Fail with every place where a trace was left."""
    if found := traces(net, sightings):
        pytest.fail("\n".join(found))


def traces(net: Net, sightings: Iterable[Sighting]) -> list[str]:
    """Return every trace, by the place where it was left; what was looked at cannot be nothing."""
    looked, found = 0, []
    for sighting in sightings:
        looked += len(sighting.content)
        found += [f"{sighting.where}: {trace}" for trace in sorted(net.catch(sighting.content))]
    assert looked > 0
    return found


@pytest.fixture(scope="module")
def net() -> Net:
    return Net(ALL)


@pytest.fixture(scope="module")
def log(lab: Lab) -> list[Sighting]:
    """Every topic, read once."""
    return topics(lab.hub.run()["bootstrap"])


# -- the way with the right -----------------------------------------------------------------------


@pytest.mark.parametrize("person", ORDERED, ids=lambda person: person.way)
def test_an_order_shows_its_buyer_to_the_scope_personal_alone(lab: Lab, person: Person) -> None:
    order = lab.order_of(person)
    assert order is not None
    contact = order["contact"]
    assert contact["name"] == person.name
    assert contact["phone"] == person.phone.replace(" ", "")
    assert contact["address"]["lines"] == [person.street]
    for client in (lab.reader, lab.writer):
        assert "contact" not in client.get(f"/v1/orders/{order['order_id']}").json()


@pytest.mark.parametrize("person", KNOWN, ids=lambda person: person.way)
def test_a_customer_is_shown_to_the_scope_personal_alone(lab: Lab, person: Person) -> None:
    known = lab.customer_of(person)
    assert known is not None
    shown = lab.helpdesk.get(f"/v1/customers/{known['customer_id']}").json()["personal"]
    assert (shown["name"], shown["email"]) == (person.name, person.email.casefold())
    assert "personal" not in lab.reader.get(f"/v1/customers/{known['customer_id']}").json()


@pytest.mark.parametrize("person", ORDERED, ids=lambda person: person.way)
def test_buyers_got_their_mail_in_the_clear(lab: Lab, person: Person) -> None:
    (mail,) = lab.post.mails_to(person)
    assert person.name in str(mail["To"])


# -- everywhere else ------------------------------------------------------------------------------


def test_no_topic_holds_a_trace(net: Net, log: list[Sighting]) -> None:
    ours = [one for one in log if CONTROL not in one.where]
    raw = [one for one in ours if ".raw." in one.where and ".bulk." not in one.where]
    empty = [one.where for one in raw if not one.content]
    assert len(ours) > 30
    assert empty == ["topic omni.raw.smtp.v1"]
    has_no_trace(net, ours)


def test_no_answer_holds_a_trace(lab: Lab, net: Net) -> None:
    has_no_trace(net, [*probes(lab), *answers_to_readers(lab), *metrics(lab)])


def test_no_command_prints_a_trace(lab: Lab, net: Net) -> None:
    has_no_trace(net, printed(lab))


def test_no_file_of_the_hub_holds_a_trace(lab: Lab, net: Net) -> None:
    """Its logs, its views and keys, its notes, and what the broker wrote to the disk."""
    list(probes(lab))
    kept = [one for one in files(lab.hub.folder) if CONTROL not in one.where]
    names = " ".join(one.where for one in kept)
    for expected in ("keys.sqlite", "views.sqlite", "worker-0.log", "api.log", "kafka.log"):
        assert expected in names
    assert [one for one in kept if "omni.order.inbox.v1-" in one.where and one.content]
    has_no_trace(net, kept)


# -- the check itself -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "guise",
    [
        lambda text: text.encode(),
        lambda text: text.upper().encode(),
        lambda text: text.encode("latin-1"),
        lambda text: urlencode({"q": text}).encode(),
        lambda text: json.dumps([text]).encode(),
        lambda text: text.encode().hex().upper().encode(),
        lambda text: b64encode(text.encode()),
        lambda text: b64encode(b"1" + text.lower().encode() + b"2"),
        lambda text: urlsafe_b64encode(b"12" + text.encode() + b"3"),
        lambda text: sha256(text.lower().encode()).hexdigest().encode(),
        lambda text: sha1(text.encode()).digest(),
        lambda text: b64encode(md5(text.upper().encode()).digest()),
    ],
)
def test_the_net_has_no_holes(net: Net, guise: Callable[[str], bytes]) -> None:
    around = b"noise \xff" * 3
    assert not net.catch(around)
    for text in (GUEST.email, GUEST.phone, GUEST.name):
        assert net.catch(around + guise(text) + around), text


def test_what_was_written_without_sealing_is_found_in_its_topic(
    net: Net, log: list[Sighting]
) -> None:
    found = traces(net, log)
    for kind in ("email", "phone", "name"):
        assert any(CONTROL in one and f"{kind} of unsealed, " in one for one in found), kind


def test_what_was_written_without_sealing_is_found_on_the_disk(lab: Lab, net: Net) -> None:
    found = traces(net, files(lab.hub.folder))
    assert any(CONTROL in one and " of unsealed, plain" in one for one in found)


def test_what_the_mail_server_got_is_found(lab: Lab, net: Net) -> None:
    found = traces(net, files(lab.post.folder))
    for person in ORDERED:
        assert any(f"email of {person.way}, plain" in one for one in found)
