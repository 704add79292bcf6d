"""A real SMTP server in a process of its own, and what it took in.

Guarantees: mails are counted by the hub's message header, each once however often it was delivered.
"""

import asyncio
import mailbox
import sys
from collections import Counter
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

from omnihub.broker import tcp
from omnihub_demo.folders import Folders
from omnihub_demo.process import ChildProcess, DemoError, last_words, start
from omnihub_demo.waiting import until

HOST = "127.0.0.1"
HEADER = "X-OmniHub-Message"
START_TIMEOUT_S = 20.0
MODULE = "aiosmtpd"


@dataclass(frozen=True, slots=True)
class MailServer:
    """A running server and its mailbox."""

    port: int
    process: ChildProcess
    folder: Path

    def mails(self) -> Counter[str]:
        """Return how many distinct messages each address got."""
        return Counter(self._distinct().values())

    def _distinct(self) -> dict[str, str]:
        box = mailbox.Maildir(self.folder, create=False)
        found: dict[str, str] = {}
        for key in box.iterkeys():
            mail = message_from_bytes(box.get_bytes(key))
            found[str(mail[HEADER])] = str(mail["To"]).rpartition("<")[2].rstrip(">")
        return found


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
