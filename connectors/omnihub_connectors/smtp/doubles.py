"""A real SMTP server for tests: aiosmtpd, which we did not write, with a mailbox to look into.

Guarantees: speaks SMTP on a socket; what it kept is parsed by the standard library. `answers` makes
it refuse recipients, senders or content as a server would.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "hub", "a password"


@dataclass
class MailServer:
    """What it was sent, and what it answers: by `RCPT address`, `MAIL address` or `DATA`."""

    port: int = 0
    kept: list[tuple[str, list[str], EmailMessage]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    conversations: int = 0

    @property
    def mails(self) -> list[EmailMessage]:
        """The mails, in order."""
        return [mail for _, _, mail in self.kept]

    async def handle_EHLO(
        self, server: Any, session: Session, envelope: Envelope, host: str, replies: list[str]
    ) -> list[str]:
        """Count."""
        self.conversations += 1
        session.host_name = host
        return replies

    async def handle_MAIL(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer about the sender."""
        if answer := self.answers.get(f"MAIL {address}"):
            return answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer about a recipient."""
        if answer := self.answers.get(f"RCPT {address}"):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the mail."""
        if answer := self.answers.get("DATA"):
            return answer
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.kept.append((str(envelope.mail_from), envelope.rcpt_tos, mail))
        if self.answers.get("AFTER DATA") == "hang up" and server.transport is not None:
            server.transport.close()
        return "250 OK"


@asynccontextmanager
async def mail_server(
    tls: ssl.SSLContext | None = None, *, with_accounts: bool = False, at_once: bool = False
) -> AsyncIterator[MailServer]:
    """Run a server on a free port; with `tls` it offers STARTTLS, or speaks TLS `at_once`."""
    box = MailServer()

    def session() -> SMTP:
        return SMTP(
            box,
            hostname="mail.test",
            tls_context=None if at_once else tls,
            require_starttls=tls is not None and not at_once,
            authenticator=_knows if with_accounts else None,
            # aiosmtpd does not see that a connection began with TLS: it would insist on STARTTLS.
            auth_required=with_accounts and not at_once,
            auth_require_tls=not at_once,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=tls if at_once else None)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()


def _knows(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
) -> AuthResult:
    assert isinstance(data, LoginPassword)
    known = data.login == USER.encode() and data.password == PASSWORD.encode()
    return AuthResult(success=known, handled=False)


def certificate(folder: Path, host: str = "localhost") -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for `host`; return the server's context and the file to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, pair = folder / f"{host}.pem", folder / f"{host}-pair.pem"
    pem = signed.public_bytes(serialization.Encoding.PEM)
    trusted.write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pair.write_bytes(private + pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair)
    return context, trusted
