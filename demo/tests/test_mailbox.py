"""What a mail is about is read from what its reader sees."""

import asyncio
import smtplib
from collections import Counter
from email.message import EmailMessage
from pathlib import Path

import pytest
from omnihub_connectors.smtp.config import SmtpConfig
from omnihub_connectors.smtp.conftest import message as command_of
from omnihub_connectors.smtp.mail import mail_of
from omnihub_connectors.smtp.texts import Templates
from omnihub_demo.folders import Folders
from omnihub_demo.mailbox import HEADER, SUBJECTS, open_mail, read_mail
from omnihub_demo.order_readings import Mail

VALUES = dict.fromkeys(
    ("channel", "lines", "location", "name", "reason", "total", "tracking_number"), "…"
)


def message(subject: str, **headers: str) -> bytes:
    """Return a mail to Anne."""
    mail = EmailMessage()
    mail["To"] = "Anne Dæmon <anne@example.com>"
    mail["Subject"] = subject
    for name, value in headers.items():
        mail[name] = value
    return mail.as_bytes()


@pytest.mark.parametrize("kind", sorted(SUBJECTS))
def test_each_text_of_the_mail_connector_is_recognised(kind: str) -> None:
    text = Templates.load(None).fill(kind, None, {**VALUES, "number": "W-0001"})
    _, mail = read_mail(message(text.subject))
    assert mail == Mail("anne@example.com", kind, "W-0001")


def test_there_is_no_text_that_is_not_recognised() -> None:
    assert set(Templates.load(None).ids) == set(SUBJECTS)


def test_a_mail_is_known_by_the_header_of_the_hub() -> None:
    name, _ = read_mail(message("x", **{HEADER: "m-1", "Message-ID": "<m-1@shop.test>"}))
    assert name == "m-1"


def test_a_foreign_mail_is_told_as_it_is() -> None:
    name, mail = read_mail(message("Win a prize", **{"Message-ID": "<1@spam.test>"}))
    assert (name, mail) == ("<1@spam.test>", Mail("anne@example.com", "Win a prize", ""))


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
async def test_a_mail_that_came_twice_is_one_and_another_of_the_order_is_two(
    tmp_path: Path,
) -> None:
    """The real server keeps what the mail connector wrote."""
    folders = Folders(tmp_path / "demo")
    folders.fresh()
    server = await open_mail(folders)
    try:
        for kind in ("order_confirmed", "order_confirmed", "order_shipped"):
            await asyncio.to_thread(_send, server.port, kind)
        mails = await asyncio.to_thread(server.mails)
    finally:
        server.process.end(5.0)
    assert mails == Counter(
        Mail("anna@buyer.example", kind, "W-17") for kind in ("order_confirmed", "order_shipped")
    )


def _send(port: int, kind: str) -> None:
    command = command_of(f"m-{kind}", template=kind)
    config = SmtpConfig(host="h", sender="orders@shop.example")
    mail = mail_of(command, config, Templates.load(None))
    with smtplib.SMTP("127.0.0.1", port) as smtp:
        smtp.sendmail(mail.sender, mail.recipient, mail.content)
