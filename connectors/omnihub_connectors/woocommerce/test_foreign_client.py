"""An independent judge of the simulator: the provider's own Python client, over TLS, unchanged."""

import datetime
import ipaddress
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from woocommerce import API  # type: ignore[import-untyped]

from omnihub_connectors.woocommerce.doubles import KEY, checkout, simple
from omnihub_connectors.woocommerce.simulator import Shop, ShopSettings, build_app

START_TIMEOUT_S = 10


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "shop.pem", folder / "shop.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def url(certificate: tuple[Path, Path]) -> Iterator[str]:
    """A shop on a real socket with TLS."""
    shop = Shop(ShopSettings(keys=(KEY,)), httpx.AsyncClient())
    config = uvicorn.Config(
        build_app(shop),
        host="127.0.0.1",
        port=0,
        log_level="error",
        ssl_certfile=certificate[0],
        ssl_keyfile=certificate[1],
        date_header=False,
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + START_TIMEOUT_S
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    yield f"https://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = server.force_exit = True
    thread.join()


@pytest.fixture
def wcapi(url: str, certificate: tuple[Path, Path]) -> API:
    return API(
        url=url,
        consumer_key=KEY.consumer_key,
        consumer_secret=KEY.consumer_secret,
        version="wc/v3",
        verify_ssl=str(certificate[0]),
    )


def test_the_client_creates_changes_lists_and_deletes_products(wcapi: API) -> None:
    created = wcapi.post("products", simple("A", 5))
    assert created.status_code == 201
    path = f"products/{created.json()['id']}"
    assert wcapi.put(path, {"stock_quantity": 4}).json()["stock_quantity"] == 4
    listed = wcapi.get("products", params={"sku": "A", "per_page": 1})
    assert [row["sku"] for row in listed.json()] == ["A"]
    assert listed.headers["x-wp-totalpages"] == "1"
    assert wcapi.delete(path, params={"force": True}).json()["sku"] == "A"
    assert wcapi.get(path).json()["code"] == "woocommerce_rest_product_invalid_id"


def test_the_client_sends_batches(wcapi: API) -> None:
    made = wcapi.post("products/batch", {"create": [simple("A"), simple("B")]}).json()
    ids = [row["id"] for row in made["create"]]
    update = [{"id": each, "stock_quantity": 7} for each in ids]
    done = wcapi.post("products/batch", {"update": update, "delete": [ids[0]]}).json()
    assert [row["stock_quantity"] for row in done["update"]] == [7, 7]
    assert [row["id"] for row in done["delete"]] == [ids[0]]


def test_the_client_keeps_webhooks(wcapi: API) -> None:
    fields = {"topic": "product.updated", "delivery_url": "http://127.0.0.1:9/nobody"}
    hook = wcapi.post("webhooks", fields).json()
    assert hook["status"] == "active"
    assert wcapi.put(f"webhooks/{hook['id']}", {"status": "paused"}).json()["status"] == "paused"
    assert wcapi.delete(f"webhooks/{hook['id']}", params={"force": True}).status_code == 200


def test_a_client_with_another_secret_is_refused(url: str, certificate: tuple[Path, Path]) -> None:
    stranger = API(url, KEY.consumer_key, "cs_wrong", verify_ssl=str(certificate[0]))
    assert stranger.get("products").json()["message"] == "Consumer secret is invalid."


def test_tls_is_really_spoken(url: str) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(url, verify=ssl.create_default_context())


def test_the_client_places_an_order_as_a_checkout_does_and_follows_it(wcapi: API) -> None:
    product = wcapi.post("products", simple("A", 5)).json()
    line = {"product_id": product["id"], "quantity": 2}
    posted = wcapi.post("orders", {**checkout(), "line_items": [line]})
    assert posted.status_code == 201
    order = posted.json()
    assert (order["status"], order["total"]) == ("processing", "8.93")
    assert order["line_items"][0]["sku"] == "A"
    assert wcapi.get(f"products/{product['id']}").json()["stock_quantity"] == 3
    path = f"orders/{order['id']}"
    assert wcapi.put(path, {"status": "completed"}).json()["date_completed_gmt"]
    assert wcapi.put(path, {"status": "eaten"}).json()["code"] == "rest_invalid_param"
    listed = wcapi.get("orders", params={"status": "completed", "dates_are_gmt": True})
    assert [row["id"] for row in listed.json()] == [order["id"]]
    assert wcapi.delete(path).json()["status"] == "completed"
    assert wcapi.get("orders", params={"status": "trash"}).json()[0]["id"] == order["id"]


def test_a_cancelled_order_gives_its_goods_back(wcapi: API) -> None:
    product = wcapi.post("products", simple("A", 5)).json()
    order = wcapi.post("orders", checkout("A")).json()
    wcapi.put(f"orders/{order['id']}", {"status": "cancelled"})
    assert wcapi.get(f"products/{product['id']}").json()["stock_quantity"] == 5


def test_the_client_registers_customers_once(wcapi: API) -> None:
    made = wcapi.post("customers", {"email": "ada@example.org", "first_name": "Ada"})
    assert (made.status_code, made.json()["role"]) == (201, "customer")
    again = wcapi.post("customers", {"email": "ada@example.org"})
    assert again.json()["code"] == "registration-error-email-exists"
    path = f"customers/{made.json()['id']}"
    assert wcapi.put(path, {"last_name": "Byron"}).json()["date_modified_gmt"]
    assert wcapi.delete(path).status_code == 501
    assert wcapi.delete(path, params={"force": True}).json()["last_name"] == "Byron"
    assert wcapi.get(path).json()["code"] == "woocommerce_rest_invalid_id"
