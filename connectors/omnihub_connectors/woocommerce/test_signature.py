"""The signature of a webhook, against values that openssl computed.

printf '%s' BODY | openssl dgst -sha256 -hmac SECRET -binary | base64      (OpenSSL 3.0.19)
"""

import pytest
from pydantic import SecretStr

from omnihub.connect.errors import BadSignature
from omnihub.connect.webhooks import WebhookScheme, verify
from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.connector import WooCommerce
from omnihub_connectors.woocommerce.simulator.webhooks import sign

VECTORS = [
    ("whk_test", rb'{"id":123}', "v+8XHdB5mwcy6yZr24gbVD4Np5XrV4lRrgT1d+JiLrQ="),
    (
        "whk_test",
        rb'{"id":7,"name":"Caf\u00e9 \ud83c\udf77","permalink":"https:\/\/shop.test\/?p=7"}',
        "gQYVR3Vy8ZC64crsBu0hS/JHVXhFYYO3FSclUMFhxoE=",
    ),
    ("a<b>&\"c'", rb'{"id":1}', "/81cn0j1lIMMOcm6Fr+3woqXQhwdLEXyNu7/cBUXhSY="),
]
HEADER = "X-WC-Webhook-Signature"


def scheme_of(config: WooCommerceConfig, *secrets: str) -> WebhookScheme:
    live = tuple(SecretStr(secret) for secret in secrets)
    scheme = WooCommerce.webhook(config.model_copy(update={"webhook_secrets": live}))
    assert scheme is not None
    return scheme


@pytest.mark.parametrize(("secret", "body", "signature"), VECTORS)
def test_the_simulator_signs_as_openssl(secret: str, body: bytes, signature: str) -> None:
    assert sign(body, secret) == signature


def test_entities_in_a_stored_secret_are_decoded_first() -> None:
    _, body, signature = VECTORS[2]
    assert sign(body, "a&lt;b&gt;&amp;&quot;c&#039;") == signature


@pytest.mark.parametrize(("secret", "body", "signature"), VECTORS)
def test_the_connector_accepts_what_openssl_signed(
    config: WooCommerceConfig, secret: str, body: bytes, signature: str
) -> None:
    scheme = scheme_of(config, secret)
    headers = {HEADER.lower(): signature, "x-wc-webhook-topic": "product.updated"}
    verified = verify(scheme, headers, body, now_s=0)
    assert (verified.topic, verified.delivery_id) == ("product.updated", None)


def test_either_of_two_live_secrets_is_good(config: WooCommerceConfig) -> None:
    secret, body, signature = VECTORS[0]
    verify(scheme_of(config, "new", secret), {HEADER: signature}, body, now_s=0)


def test_every_flipped_bit_of_the_body_is_refused(config: WooCommerceConfig) -> None:
    secret, body, signature = VECTORS[0]
    scheme = scheme_of(config, secret)
    for position in range(len(body) * 8):
        forged = bytearray(body)
        forged[position // 8] ^= 1 << position % 8
        with pytest.raises(BadSignature):
            verify(scheme, {HEADER: signature}, bytes(forged), now_s=0)


@pytest.mark.parametrize("value", ["", "v+8=", "not base64!", "\udcff", "A" * 10_000])
def test_a_malformed_signature_is_a_bad_signature(config: WooCommerceConfig, value: str) -> None:
    with pytest.raises(BadSignature):
        verify(scheme_of(config, "whk_test"), {HEADER: value}, b'{"id":123}', now_s=0)


def test_the_unsigned_form_of_a_new_webhook_is_a_ping(config: WooCommerceConfig) -> None:
    verified = verify(scheme_of(config, "whk_test"), {}, b"webhook_id=12", now_s=0)
    assert verified.is_ping


@pytest.mark.parametrize("body", [b"webhook_id=", b"webhook_id=1&x=2", b'{"id":7}', b""])
def test_nothing_else_passes_as_a_ping(config: WooCommerceConfig, body: bytes) -> None:
    with pytest.raises(BadSignature):
        verify(scheme_of(config, "whk_test"), {}, body, now_s=0)


def test_without_secrets_there_is_no_webhook(config: WooCommerceConfig) -> None:
    assert WooCommerce.webhook(config.model_copy(update={"webhook_secrets": ()})) is None
