"""One message as a mail: nothing personal escapes, nothing foreign gets into a header."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihub.connect.errors import Refused
from omnihub.model.errors import ConfigurationError
from omnihub.model.records import SendMessage
from omnihub_connectors.smtp.addresses import address_of
from omnihub_connectors.smtp.config import SmtpConfig
from omnihub_connectors.smtp.conftest import body_of, message
from omnihub_connectors.smtp.mail import mail_of
from omnihub_connectors.smtp.texts import Templates

CONFIG = SmtpConfig(
    host="h", sender="Shop GmbH <orders@shop.example>", reply_to="help@shop.example"
)
SHIPPED = Templates.load(None)
HEADERS = {
    "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Auto-Submitted",
    "X-OmniHub-Message", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
}  # fmt: skip


def parsed(command: SendMessage, templates: Templates = SHIPPED) -> EmailMessage:
    mail = message_from_bytes(mail_of(command, CONFIG, templates).content, policy=default)
    assert isinstance(mail, EmailMessage)
    return mail


@pytest.mark.parametrize("template", SHIPPED.ids)
def test_every_built_in_template_is_complete_without_optional_values(template: str) -> None:
    mail = parsed(message(template=template, buyer=None))
    text = body_of(mail, "plain")
    assert "W-17" in mail["Subject"]
    assert "$" not in text
    assert "Hello" not in text, "a greeting without a name is left out"


def test_the_built_in_templates_are_those_that_orders_ask_for() -> None:
    assert SHIPPED.ids == [
        "order_cancelled", "order_confirmed", "order_refused", "order_shipped", "ready_for_pickup",
    ]  # fmt: skip


def test_a_mail_says_that_a_machine_wrote_it() -> None:
    assert parsed(message())["Auto-Submitted"] == "auto-generated"
    assert parsed(message())["Reply-To"] == "help@shop.example"


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_name_or_number_adds_a_header_or_a_recipient(name: str, number: str) -> None:
    mail = parsed(message(buyer=f"A{name}", number=f"N{number}"))
    assert set(mail.keys()) <= HEADERS
    assert len(mail.keys()) == len(set(mail.keys()))
    assert [each.addr_spec for each in mail["To"].addresses] == ["anna@buyer.example"]


@pytest.mark.parametrize("name", ["x\r\nBcc: eve@evil.example", "x\nSubject: y", 'a" <e@e.io>, "b'])
def test_an_injected_header_stays_text(name: str) -> None:
    mail = parsed(message(buyer=name, number=name))
    assert mail["Bcc"] is None
    assert len(mail["To"].addresses) == 1


@pytest.mark.parametrize("name", ["Zoë Åström", "李小龍", "Ünal, Ayşe (Büro)", "O'Neill 🙂"])
def test_a_name_in_any_script_arrives_as_it_is(name: str) -> None:
    [to] = parsed(message(buyer=name))["To"].addresses
    assert to.display_name == name


@pytest.mark.parametrize(
    "email",
    ["", "no-at", "a@", "@b.io", "a b@c.io", "a@b.io\r\nRCPT TO:<e@e.io>", "a@b.io, e@e.io",
     "<a@b.io>", "a@b..io", "ü@b.io", "a@-b.io", "a" * 65 + "@b.io"],
)  # fmt: skip
def test_what_is_no_single_address_is_refused_without_repeating_it(email: str) -> None:
    with pytest.raises(Refused) as refused:
        mail_of(message(email=email), CONFIG, SHIPPED)
    assert not email or email not in str(refused.value)


def test_a_domain_in_any_script_goes_in_its_ascii_form() -> None:
    assert address_of("a@bücher.example").addr_spec == "a@xn--bcher-kva.example"


def test_html_escapes_what_it_shows() -> None:
    mail = parsed(message(buyer="<b>Eve</b>", lines="1 x <script>\n2 x a&b"))
    markup = body_of(mail, "html")
    assert "&lt;b&gt;Eve" in markup
    assert "<script>" not in markup
    assert "2 x a&amp;b" in markup


def test_amounts_have_the_digits_of_their_currency() -> None:
    assert "1990 JPY" in body_of(parsed(message(currency="JPY")))
    assert "1.990 KWD" in body_of(parsed(message(currency="KWD")))
    with pytest.raises(Refused):
        mail_of(message(currency="XXX"), CONFIG, SHIPPED)


def test_a_folder_replaces_single_templates_and_knows_languages(tmp_path: Path) -> None:
    (tmp_path / "order_confirmed.de.txt").write_text("Subject: Bestellung $number\n\nHallo\n")
    templates = Templates.load(tmp_path)
    assert parsed(message(locale="de-AT"), templates)["Subject"] == "Bestellung W-17"
    assert parsed(message(locale="fr"), templates)["Subject"] == "Your order W-17 is confirmed"
    assert templates.ids == SHIPPED.ids


@pytest.mark.parametrize("template", ["no_such", "../secret", "order_confirmed.txt", ""])
def test_an_unknown_template_is_refused_with_its_cure(template: str) -> None:
    with pytest.raises(Refused) as refused:
        mail_of(message(template=template), CONFIG, SHIPPED)
    assert refused.value.cure


def test_a_placeholder_nobody_fills_in_is_refused() -> None:
    with pytest.raises(Refused, match=r"\$coupon"):
        mail_of(message(), CONFIG, Templates({"order_confirmed.txt": "Subject: a\n\n$coupon\n"}))


@pytest.mark.parametrize("text", ["Hello", "Subject: a\n\n5 $ off"])
def test_a_file_that_is_no_template_is_told_at_the_start(text: str, tmp_path: Path) -> None:
    (tmp_path / "order_confirmed.txt").write_text(text)
    with pytest.raises(ConfigurationError, match=r"order_confirmed\.txt"):
        Templates.load(tmp_path)
