"""One conversation with an SMTP server; what it answers becomes what the runtime understands.

Guarantees: certificates are verified; errors tell the reply's codes and never its words, which
repeat addresses. A reply about one recipient (`Refused`, `Deferred`) leaves the rest as it is.
Does not: know whether a mail was taken when the connection broke after its last line: SMTP has no
way to ask. Such a mail is sent again, with the same Message-ID.
"""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

import aiosmtplib

from omnihub.connect.errors import AuthFailed, Refused, Transient
from omnihub_connectors.smtp.config import SmtpConfig
from omnihub_connectors.smtp.mail import Mail

_ENHANCED = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")
_PERMANENT = 500


class Deferred(Transient):
    """The server does not take mail for this recipient now; others may go."""


class Session:
    """Connected and signed in within `async with`.

    Raises:
        AuthFailed: `ca_file` cannot be used.
    """

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config
        self._place = f"{config.host}:{config.at_port}"
        password = config.password.get_secret_value() if config.password else None
        self._client = aiosmtplib.SMTP(
            hostname=config.host,
            port=config.at_port,
            username=config.username,
            password=password,
            timeout=config.timeout_s,
            use_tls=config.tls == "tls",
            start_tls=config.tls == "starttls",
            tls_context=_context(config),
        )

    async def __aenter__(self) -> "Session":
        """Connect, protect, sign in.

        Raises:
            Transient: it is away or busy.
            AuthFailed: certificate, TLS or credentials.
        """
        with self._judged():
            await self._client.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say goodbye; nobody waits for the answer."""
        with suppress(aiosmtplib.SMTPException):
            await self._client.quit()
        self._client.close()

    async def send(self, mail: Mail) -> None:
        """Hand over a mail.

        Raises:
            Refused: this mail will never be taken.
            Deferred: not for this recipient now.
            Transient, AuthFailed: the conversation is over.
        """
        with self._judged():
            await self._client.sendmail(mail.sender, [mail.recipient], mail.content)

    async def try_sender(self, sender: str) -> None:
        """Ask whether we may send as `sender`; no mail is begun."""
        with self._judged():
            await self._client.mail(sender)
            await self._client.rset()

    @contextmanager
    def _judged(self) -> Iterator[None]:
        try:
            yield
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise self._about_recipient(error.recipients[0], "the recipient") from None
        except aiosmtplib.SMTPDataError as error:
            raise self._about_recipient(error, "the mail") from None
        except (aiosmtplib.SMTPAuthenticationError, aiosmtplib.SMTPSenderRefused) as error:
            what = "sender" if isinstance(error, aiosmtplib.SMTPSenderRefused) else "sign-in"
            told = f"{self._place} refuses the {what}: {_codes(error)}"
            raise (AuthFailed(told) if error.code >= _PERMANENT else Transient(told)) from None
        except aiosmtplib.SMTPResponseException as error:
            raise Transient(f"{self._place} answers {_codes(error)}") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._about_connection(error) from None

    def _about_recipient(
        self, error: aiosmtplib.SMTPResponseException, what: str
    ) -> Refused | Deferred:
        told = f"{self._place} does not take {what}: {_codes(error)}"
        if error.code < _PERMANENT:
            return Deferred(told)
        return Refused(told, cure="correct the address at its source, or skip the message")

    def _about_connection(self, error: Exception) -> AuthFailed | Transient:
        if fault := _tls_fault(error):
            return AuthFailed(f"{self._place}: no safe connection: {fault}")
        if type(error) is aiosmtplib.SMTPException:
            # What it lacks (STARTTLS, AUTH); the library's words, no answer of the server.
            return AuthFailed(f"{self._place}: {error.message}")
        return Transient(f"{self._place} is away: {type(error).__name__}")


def _context(config: SmtpConfig) -> ssl.SSLContext | None:
    if config.tls == "none":
        return None
    try:
        return ssl.create_default_context(cafile=config.ca_file)
    except OSError as error:
        raise AuthFailed(f"ca_file is '{config.ca_file}', which cannot be used: {error}") from error


def _codes(error: aiosmtplib.SMTPResponseException) -> str:
    enhanced = _ENHANCED.search(error.message or "")
    return f"{error.code} {enhanced[0]}" if enhanced else str(error.code)


def _tls_fault(error: BaseException | None) -> str | None:
    """Return what is wrong with the certificate or the handshake, wherever it is wrapped."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        if isinstance(error, ssl.SSLError):
            return error.reason or "handshake failed"
        error = error.__cause__ or error.__context__
    return None
