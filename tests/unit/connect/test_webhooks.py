"""Webhook proofs: vectors that others published, and senders who try everything."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from omnihub.connect.errors import BadSignature
from omnihub.connect.webhooks import Algorithm, Encoding, WebhookScheme, sign, verify
from omnihub.model.errors import ConfigurationError

NOW_S = 1_614_265_330.0
GITHUB = WebhookScheme(
    "X-Hub-Signature-256",
    encoding=Encoding.HEX,
    prefix="sha256=",
    secrets=(SecretStr("It's a Secret to Everybody"),),
)
STANDARD = WebhookScheme(
    "webhook-signature",
    signed="{id}.{timestamp}.{body}",
    secrets=(SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),),
    secret_encoding=Encoding.BASE64,
    prefix="v1,",
    separator=" ",
    id_header="webhook-id",
    timestamp_header="webhook-timestamp",
    tolerance_s=300,
)
STANDARD_HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
STANDARD_BODY = b'{"test": 2432232314}'
STRIPE = WebhookScheme(
    "Stripe-Signature",
    encoding=Encoding.HEX,
    signed="{timestamp}.{body}",
    fields=("t", "v1"),
    tolerance_s=300,
    secrets=(SecretStr("whsec_test"),),
)
SHOP = WebhookScheme(
    "X-Shop-Signature", secrets=(SecretStr("new"), SecretStr("old")), topic_header="X-Shop-Topic"
)
SCHEMES = {"github": GITHUB, "standard": STANDARD, "stripe": STRIPE, "shop": SHOP}


def test_the_vector_of_githubs_documentation():
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    verify(GITHUB, {"X-Hub-Signature-256": f"sha256={digest}"}, b"Hello, World!", NOW_S)


def test_the_vector_of_standard_webhooks():
    verified = verify(STANDARD, STANDARD_HEADERS, STANDARD_BODY, NOW_S)
    assert verified.delivery_id == "msg_p5jXN8AQM9LWM0D4loKWxJek"


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        (Algorithm.SHA1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),  # RFC 2202 case 2
        (
            Algorithm.SHA256,  # RFC 4231 case 2
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
    ],
)
def test_the_vectors_of_the_rfcs(algorithm, digest):
    scheme = WebhookScheme(
        "S", algorithm=algorithm, encoding=Encoding.HEX, secrets=(SecretStr("Jefe"),)
    )
    verify(scheme, {"s": digest.upper()}, b"what do ya want for nothing?", NOW_S)


def test_one_good_signature_among_several_is_enough():
    header = "v1,AAAA v0,ignored " + STANDARD_HEADERS["webhook-signature"]
    verify(STANDARD, STANDARD_HEADERS | {"webhook-signature": header}, STANDARD_BODY, NOW_S)


def test_a_header_of_fields_carries_time_and_signature():
    digest = hmac.digest(b"whsec_test", b"1614265330.{}", "sha256").hex()
    verify(STRIPE, {"Stripe-Signature": f"t=1614265330,v0=x,v1={digest}"}, b"{}", NOW_S)


@pytest.mark.parametrize("secret", ["new", "old"])
def test_both_live_secrets_are_good(secret):
    text = base64.b64encode(hmac.digest(secret.encode(), b"{}", hashlib.sha256)).decode()
    headers = {"x-shop-signature": text, "x-shop-topic": "product.updated"}
    assert verify(SHOP, headers, b"{}", NOW_S).topic == "product.updated"


@pytest.mark.parametrize("name", SCHEMES)
def test_what_a_simulator_signs_is_accepted_and_any_other_body_is_not(name):
    scheme = SCHEMES[name]
    headers = sign(scheme, b"body", message_id="m", timestamp=str(int(NOW_S)))
    verify(scheme, headers, b"body", NOW_S)
    for other in (b"body ", b"bod", b""):
        with pytest.raises(BadSignature):
            verify(scheme, headers, other, NOW_S)


@pytest.mark.parametrize("skew_s", [-301, 301])
def test_too_old_and_too_new_are_refused(skew_s):
    with pytest.raises(BadSignature, match="300 s away"):
        verify(STANDARD, STANDARD_HEADERS, STANDARD_BODY, NOW_S + skew_s)


@pytest.mark.parametrize("timestamp", ["", "soon", "1e9", "-1614265330", "١٦١٤٢٦٥٣٣٠", "9" * 400])
def test_a_timestamp_that_is_no_number_is_refused(timestamp):
    headers = STANDARD_HEADERS | {"webhook-timestamp": timestamp}
    with pytest.raises(BadSignature):
        verify(STANDARD, headers, STANDARD_BODY, NOW_S)


@pytest.mark.parametrize("name", SCHEMES)
@given(text=st.text(), identifier=st.text(), timestamp=st.text(), body=st.binary())
def test_nothing_that_a_sender_writes_is_another_error_than_bad_signature(
    name, text, identifier, timestamp, body
):
    scheme = SCHEMES[name]
    headers = {scheme.signature_header: text, "webhook-id": identifier}
    with pytest.raises(BadSignature):
        verify(scheme, headers | {"webhook-timestamp": timestamp}, body, NOW_S)


def test_lone_surrogates_in_a_header_are_refused_too():
    with pytest.raises(BadSignature):
        verify(STANDARD, STANDARD_HEADERS | {"webhook-id": "\ud800"}, STANDARD_BODY, NOW_S)


def test_a_ping_needs_no_proof():
    scheme = WebhookScheme(
        "S", secrets=(SecretStr("s"),), is_ping=lambda _, body: body.startswith(b"webhook_id=")
    )
    assert verify(scheme, {}, b"webhook_id=7", NOW_S).is_ping
    with pytest.raises(BadSignature):
        verify(scheme, {}, b"{}", NOW_S)


@pytest.mark.parametrize("secrets", [(), (SecretStr(""),), (SecretStr("a"), SecretStr(""))])
def test_an_empty_secret_is_refused_at_the_start(secrets):
    with pytest.raises(ConfigurationError, match="anyone could sign"):
        WebhookScheme("S", secrets=secrets)


def test_messages_never_show_secret_or_signature():
    with pytest.raises(BadSignature) as caught:
        verify(GITHUB, {"x-hub-signature-256": "sha256=c0ffee"}, b"", NOW_S)
    assert "Secret to" not in str(caught.value)
    assert "c0ffee" not in str(caught.value)
