"""A real SMTP server in a process of its own, and what it took in.

Guarantees: mails are counted by the hub's message header, each once however often it was delivered.
A mail without that header, or with another subject than the shipped texts have, is told as it is.
"""

import asyncio
import mailbox
import re
import sys
from collections import Counter
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.utils import parseaddr
from pathlib import Path

from omnihub.broker import tcp
from omnihub_demo.folders import Folders
from omnihub_demo.order_readings import Mail
from omnihub_demo.process import ChildProcess, DemoError, last_words, start
from omnihub_demo.waiting import until

HOST = "127.0.0.1"
HEADER = "X-OmniHub-Message"
START_TIMEOUT_S = 20.0
MODULE = "aiosmtpd"
SUBJECTS = {
    "order_confirmed": re.compile(r"Your order (\S+) is confirmed"),
    "order_refused": re.compile(r"We could not accept your order (\S+)"),
    "order_cancelled": re.compile(r"Your order (\S+) is cancelled"),
    "ready_for_pickup": re.compile(r"Your order (\S+) is ready for pickup"),
    "order_shipped": re.compile(r"Your order (\S+) is on its way"),
}
"""What a mail is about, by the subject that its reader sees."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """A running server and its mailbox."""

    port: int
    process: ChildProcess
    folder: Path

    def mails(self) -> Counter[Mail]:
        """Return how often each mail came, in distinct messages."""
        box = mailbox.Maildir(self.folder, create=False)
        return Counter(dict(read_mail(box.get_bytes(key)) for key in box.iterkeys()).values())


def read_mail(content: bytes) -> tuple[str, Mail]:
    """Return by what a message is known, and what it tells whom."""
    message = message_from_bytes(content, policy=policy.default)
    _, address = parseaddr(str(message["To"]))
    subject = str(message["Subject"])
    name = str(message[HEADER] or message["Message-ID"])
    for kind, text in SUBJECTS.items():
        if match := text.fullmatch(subject):
            return name, Mail(address, kind, match[1])
    return name, Mail(address, subject, "")


async def open_mail(folders: Folders) -> MailServer:
    """Start the server and return when it listens.

    Raises:
        DemoError: it ended, or stays silent.
    """
    port = tcp.choose_free(HOST, set())
    folder, log = folders.root / "mail", folders.logs / "mail.log"
    handler = "aiosmtpd.handlers.Mailbox"
    command = [sys.executable, "-m", MODULE, "-n", "-l", f"{HOST}:{port}", "-c", handler]
    server = MailServer(port, start([*command, str(folder)], str(folder), log), folder)

    async def listens() -> bool:
        if not server.process.is_alive():
            raise DemoError(f"the mail server ended. {last_words(log)}")
        # Asked by connecting: a look by binding could take the port from under the server.
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            return False
        writer.close()
        return True

    await until(listens, START_TIMEOUT_S, f"the mail server is silent. {last_words(log)}")
    return server
