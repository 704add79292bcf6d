"""An order's confirmation, from the rule to a buyer's mailbox: read there, sealed on the way."""

from omnihub_connectors.smtp.config import SmtpConfig
from omnihub_connectors.smtp.connector import Smtp
from omnihub_connectors.smtp.doubles import mail_server

from omnihub.connect.effects import attempt_write
from omnihub.connect.kit.subject import Canonical
from omnihub.connect.sdk import Context
from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.vault import MemoryVault
from omnihub.engine.driver import TestDriver
from omnihub.model.ids import InstanceId, MessageId, OrderId, SubjectId, TenantId
from omnihub.model.personal import Personal
from omnihub.model.records import Contact, MessageDesired, SendMessage
from omnihub.rules.outbound import OutboundRule
from omnihub.rules.routing import OUTBOUND_INBOX

NAME, EMAIL = "Ann Canary", "ann.canary@buyer.example"
DESIRED = MessageDesired(
    tenant=TenantId("t"), instance=InstanceId("mail"), target="o1", cause_id="e1",
    accepted_at_us=1_700_000_000_000_000, message_id=MessageId("m1"), template="order_confirmed",
    contact=Contact(subject=SubjectId("s1"), name=Personal(NAME), email=Personal(EMAIL)),
    order_id=OrderId("o1"), values={"number": "W-1", "total_minor": "199", "currency": "EUR"},
)  # fmt: skip


async def opened_smtp(port):
    config = SmtpConfig(host="localhost", port=port, tls="none", sender="orders@shop.example")
    context = Context(TenantId("t"), InstanceId("mail"), Canonical(), None)
    connector = Smtp(config, context)
    await connector.open()
    return connector


async def test_only_the_mail_shows_who_the_buyer_is():
    vault = MemoryVault()
    sealer = Sealer(vault)
    driver = TestDriver([OutboundRule()], codec=Codec(SchemaIds.offline(), sealer))
    driver.append(OUTBOUND_INBOX, DESIRED)
    driver.run()
    [command] = driver.records("omni.command.mail.v1", SendMessage)
    assert isinstance(command.contact.email, bytes)
    for topic in (OUTBOUND_INBOX, "omni.command.mail.v1", "omni.changelog.outbound.v1"):
        stored = [each for p in range(8) for each in _lane(driver, topic, p)]
        assert stored, topic
        assert not any(NAME.encode() in each or EMAIL.encode() in each for each in stored)

    async with mail_server() as server:
        connector = await opened_smtp(server.port)
        attempt = await attempt_write(connector, [sealer.open_record(command)])
        assert attempt.done == {command.command_id: "<m1@shop.example>"}
        assert server.mails[0]["To"] == f"{NAME} <{EMAIL}>"

        vault.destroy("s1")
        elsewhere = Sealer(vault)  # What one process remembers for seconds, another never knew.
        erased = await attempt_write(connector, [elsewhere.open_record(command)])
        assert len(server.mails) == 1
        assert "erased" in str(erased.refused[command.command_id])


def _lane(driver, topic, partition):
    if partition >= len(driver.log.ends(topic)):
        return []
    stored = driver.log.read(topic, partition)
    return [each.key + (each.value or b"") for each in stored]
