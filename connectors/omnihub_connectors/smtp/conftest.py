"""A mail server, and messages to send."""

from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import EmailMessage
from typing import Any

import httpx
import pytest

from omnihub.connect.kit.subject import Canonical
from omnihub.connect.sdk import Context
from omnihub.model.ids import CommandId, InstanceId, MessageId, OrderId, SubjectId, TenantId
from omnihub.model.personal import Personal
from omnihub.model.records import Contact, SendMessage
from omnihub_connectors.smtp.config import SmtpConfig
from omnihub_connectors.smtp.connector import Smtp
from omnihub_connectors.smtp.doubles import MailServer, mail_server

Connect = Callable[..., Awaitable[Smtp]]
VALUES = {
    "number": "W-17",
    "channel": "web",
    "currency": "EUR",
    "total_minor": "1990",
    "lines": "2 x Apple juice\n0.5 x Cheese",
}


def message(
    name: str = "m1",
    email: str | None = "anna@buyer.example",
    *,
    template: str = "order_confirmed",
    buyer: str | None = "Anna Müller",
    locale: str | None = None,
    **values: str,
) -> SendMessage:
    """Return a message whose contact is opened, as a sink gets it."""
    return SendMessage(
        command_id=CommandId(f"c-{name}"), tenant=TenantId("t"), instance=InstanceId("mail"),
        target="o1", cause_id="e1", accepted_at_us=1_700_000_000_000_000,
        message_id=MessageId(name), template=template, order_id=OrderId("o1"),
        values={**VALUES, **values},
        contact=Contact(
            subject=SubjectId("s1"), locale=locale,
            name=Personal(buyer) if buyer else None, email=Personal(email) if email else None,
        ),
    )  # fmt: skip


def body_of(mail: EmailMessage, kind: str = "plain") -> str:
    """Return the text of a part, as a mail program shows it."""
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    """Run a server without TLS and accounts."""
    async with mail_server() as running:
        yield running


@pytest.fixture
def connect() -> Connect:
    """Return the connector as its process would build it, opened."""

    async def open_smtp(server: MailServer, **config: Any) -> Smtp:
        given = {
            "host": "localhost",
            "port": server.port,
            "tls": "none",
            "sender": "Shop <orders@shop.example>",
            **config,
        }
        async with httpx.AsyncClient() as http:
            context = Context(TenantId("t"), InstanceId("mail"), Canonical(), http)
            connector = Smtp(SmtpConfig.model_validate(given), context)
        await connector.open()
        return connector

    return open_smtp
