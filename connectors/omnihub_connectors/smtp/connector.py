"""SMTP: messages for buyers as e-mail. Sink only.

Guarantees: each message becomes one mail; one that the server refuses for good takes no other with
it. Does not: promise exactly one mail over a crash. SMTP cannot be asked what it took, so between
the server's last answer and our result a crash sends the mail again, with the same Message-ID.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from omnihub.connect.errors import AuthFailed, PartialWrite, Refused
from omnihub.connect.sdk import (
    Command,
    Connector,
    ConnectorConfig,
    Context,
    Finding,
    Health,
    Mapping,
)
from omnihub.model.errors import ConfigurationError, OmniHubError, RetryableError
from omnihub.model.ids import CommandId
from omnihub.model.record import Record
from omnihub.model.records import SendMessage
from omnihub_connectors.smtp.addresses import mailbox
from omnihub_connectors.smtp.config import SmtpConfig
from omnihub_connectors.smtp.mail import Mail, mail_of
from omnihub_connectors.smtp.session import Deferred, Session
from omnihub_connectors.smtp.texts import Templates


class SmtpMapping(Mapping[SmtpConfig]):
    """Nothing comes from an SMTP server."""


class Smtp(Connector[SmtpConfig]):
    """The I/O half."""

    name: ClassVar[str] = "smtp"
    config_type: ClassVar[type[ConnectorConfig]] = SmtpConfig
    mapping_type: ClassVar[type[Mapping[Any]]] = SmtpMapping
    accepts: ClassVar[tuple[type[Record], ...]] = (SendMessage,)
    write_limit: ClassVar[int] = 50

    def __init__(self, config: SmtpConfig, context: Context) -> None:
        super().__init__(config, context)
        self._templates = Templates({})
        self._deferred_since_s: dict[CommandId, float] = {}

    async def open(self) -> None:
        """Read the templates."""
        self._templates = await asyncio.to_thread(Templates.load, self.config.templates)

    async def write(self, commands: Sequence[Command]) -> dict[CommandId, str]:
        """Send the mails in order, in one conversation; the reference is the Message-ID."""
        mails: dict[CommandId, Mail] = {}
        failed: dict[CommandId, OmniHubError] = {}
        for command in commands:
            try:
                mails[command.command_id] = self._mail(command)
            except Refused as error:
                failed[command.command_id] = error
        done = await self._send(mails, failed) if mails else {}
        if failed:
            raise PartialWrite(done, failed)
        return done

    async def check(self) -> list[Finding]:
        """Connect, sign in, ask whether the sender is accepted, read the templates; no mail."""
        return [await self._check_templates(), *await self._check_server()]

    def _mail(self, command: Command) -> Mail:
        if not isinstance(command, SendMessage):
            raise Refused(
                f"SMTP takes no {type(command).__name__}",
                cure="leave only `messages` at this instance in omnihub.yaml, then skip",
            )
        return mail_of(command, self.config, self._templates)

    async def _send(
        self, mails: dict[CommandId, Mail], failed: dict[CommandId, OmniHubError]
    ) -> dict[CommandId, str]:
        """Send until the conversation breaks; what is not tried comes again."""
        done: dict[CommandId, str] = {}
        command_id = next(iter(mails))
        try:
            async with Session(self.config) as session:
                for command_id, mail in mails.items():
                    try:
                        await session.send(mail)
                        done[command_id] = mail.message_id
                    except (Refused, Deferred) as error:
                        failed[command_id] = self._patiently(command_id, error)
        except (RetryableError, AuthFailed) as error:
            failed[command_id] = error
        for settled in (*done, *failed):
            if not isinstance(failed.get(settled), Deferred):
                self._deferred_since_s.pop(settled, None)
        return done

    def _patiently(self, command_id: CommandId, error: Refused | Deferred) -> OmniHubError:
        """Return the error, or a refusal where a recipient was deferred for too long."""
        if isinstance(error, Refused):
            return error
        now_s = asyncio.get_running_loop().time()
        since_s = self._deferred_since_s.setdefault(command_id, now_s)
        if now_s - since_s < self.config.defer_max_s:
            return error
        return Refused(
            f"{error}, for {now_s - since_s:.0f} s", cure="retry when the server takes it, or skip"
        )

    async def _check_templates(self) -> Finding:
        try:
            templates = await asyncio.to_thread(Templates.load, self.config.templates)
        except ConfigurationError as error:
            return Finding("templates", Health.FAILED, str(error), "correct the template")
        return Finding("templates", Health.OK, ", ".join(templates.ids))

    async def _check_server(self) -> list[Finding]:
        place = f"{self.config.host}:{self.config.at_port}"
        findings = []
        try:
            async with Session(self.config) as session:
                who = self.config.username or "without a user"
                findings.append(Finding("server", Health.OK, f"{place}, signed in {who}"))
                await session.try_sender(mailbox(self.config.sender).addr_spec)
                findings.append(Finding("sender", Health.OK, f"accepts {self.config.sender}"))
        except AuthFailed as error:
            point = "sender" if findings else "account"
            cure = "correct tls, ca_file, username, password or sender"
            findings.append(Finding(point, Health.FAILED, str(error), cure))
        except RetryableError as error:
            cure = "start the server, or correct host and port"
            findings.append(Finding("server", Health.FAILED, str(error), cure))
        return findings
