"""SMTP in the acceptance kit."""

import pytest

from omnihub.connect.kit.subject import Subject
from omnihub.connect.kit.suites import ConfigSuite
from omnihub.connect.kit.systems import SinkSuite
from omnihub_connectors.smtp.conftest import message
from omnihub_connectors.smtp.connector import Smtp
from omnihub_connectors.smtp.doubles import MailServer


class TestSmtp(ConfigSuite, SinkSuite):
    @pytest.fixture
    def subject(self, server: MailServer) -> Subject:
        async def recognisable_mails() -> set[str]:
            # SMTP takes a repeated mail again; what a reader can tell apart is its Message-ID.
            return {str(mail["Message-ID"]) for mail in server.mails}

        server.answers["RCPT gone@buyer.example"] = "550 5.1.1 unknown"
        return Subject(
            connector=Smtp,
            config={
                "host": "localhost",
                "port": server.port,
                "tls": "none",
                "sender": "Shop <orders@shop.example>",
            },
            commands=[message(f"m{n}") for n in range(4)],
            refused=message("gone", "gone@buyer.example"),
            effects=recognisable_mails,
        )
