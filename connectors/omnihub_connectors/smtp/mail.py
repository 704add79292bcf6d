"""Writes one message as a mail.

Guarantees: a pure function of the command: each attempt gives the same mail with the same
`Message-ID`, so a mail that was sent twice is recognised by it; nothing of a buyer's name or a
value can become a header of its own. It marks itself as automatic (RFC 3834), so out-of-office
replies and bounces are not answered.
"""

from dataclasses import dataclass
from decimal import Decimal
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from omnihub.connect.errors import Refused
from omnihub.model.errors import RejectedError
from omnihub.model.ids import derive_id
from omnihub.model.money import exponent_of
from omnihub.model.personal import Personal
from omnihub.model.records import SendMessage
from omnihub.model.time import from_us
from omnihub_connectors.smtp.addresses import address_of, mailbox, on_one_line
from omnihub_connectors.smtp.config import SmtpConfig
from omnihub_connectors.smtp.texts import Templates, Text

HEADER = "X-OmniHub-Message"
OPTIONAL = ("channel", "lines", "location", "name", "number", "reason", "total", "tracking_number")
"""Values a template may always ask for; empty where a message has none."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in its envelope."""

    sender: str
    recipient: str
    message_id: str
    content: bytes


def mail_of(command: SendMessage, config: SmtpConfig, templates: Templates) -> Mail:
    """Return the mail of a command whose contact is opened.

    Raises:
        Refused: nobody to write to, or no text to write.
    """
    sender = mailbox(config.sender)
    recipient = _recipient(command)
    text = templates.fill(command.template, command.contact.locale, values_of(command))
    message_id = f"<{command.message_id}@{sender.domain}>"
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = recipient
    if config.reply_to:
        message["Reply-To"] = mailbox(config.reply_to)
    message["Subject"] = on_one_line(text.subject)
    message["Date"] = format_datetime(from_us(command.accepted_at_us))
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    message[HEADER] = on_one_line(command.message_id)
    _write_body(message, text)
    return Mail(sender.addr_spec, recipient.addr_spec, message_id, message.as_bytes())


def values_of(command: SendMessage) -> dict[str, str]:
    """Return what a template may fill in.

    Raises:
        Refused: the currency is none.
    """
    values = {**dict.fromkeys(OPTIONAL, ""), **command.values}
    values["name"] = _revealed(command.contact.name) or ""
    values["reason"] = values["reason"].replace("_", " ")
    if "total_minor" in values:
        values["total"] = _amount(values["total_minor"], values.get("currency", ""))
    return values


def _recipient(command: SendMessage) -> Address:
    email = _revealed(command.contact.email)
    if email is None:
        raise Refused("the buyer has no e-mail address, or it was erased", cure="skip the message")
    try:
        return address_of(email, _revealed(command.contact.name) or "")
    except ValueError as error:
        raise Refused(
            f"the buyer's e-mail address cannot be written to: {error}",
            cure="correct it at the system it came from and tell the order again, or skip",
        ) from None


def _revealed(value: Personal | bytes | None) -> str | None:
    """Return what the runtime opened; sealed bytes would be a mistake of the caller."""
    return value.reveal() if isinstance(value, Personal) else None


def _amount(total_minor: str, currency: str) -> str:
    try:
        digits = exponent_of(currency)
    except RejectedError as error:
        raise Refused(error.detail, cure="correct the order at its source, or skip") from None
    return f"{Decimal(total_minor).scaleb(-digits):.{digits}f} {currency}"


def _write_body(message: EmailMessage, text: Text) -> None:
    # Quoted-printable passes every server, also one that speaks 7 bit only.
    message.set_content(text.plain, cte="quoted-printable")
    if text.html is not None:
        message.add_alternative(text.html, subtype="html", cte="quoted-printable")
        # "=_" cannot occur in quoted-printable; the library's own boundary is random.
        message.set_boundary(f"=_{derive_id(message['Message-ID'], 'boundary')}")
