"""The SMTP connector against aiosmtpd: what arrives, what is refused, what comes again."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from omnihub.connect.errors import AuthFailed, PartialWrite, Refused, Transient
from omnihub.connect.sdk import Command, Health
from omnihub.model.ids import CommandId, InstanceId, Sku, TenantId
from omnihub.model.records import SetStockLevel
from omnihub_connectors.smtp.config import SmtpConfig
from omnihub_connectors.smtp.conftest import Connect, body_of, message
from omnihub_connectors.smtp.connector import Smtp
from omnihub_connectors.smtp.doubles import PASSWORD, USER, MailServer, certificate, mail_server
from omnihub_connectors.smtp.session import Deferred

ANNA, BOB = "anna@buyer.example", "bob@buyer.example"


async def failures(connector: Smtp, *commands: Command) -> PartialWrite:
    with pytest.raises(PartialWrite) as caught:
        await connector.write(commands)
    return caught.value


async def test_a_message_becomes_a_mail_with_its_reference(
    server: MailServer, connect: Connect
) -> None:
    connector = await connect(server)
    done = await connector.write([message("m1")])
    assert done == {"c-m1": "<m1@shop.example>"}
    [(sender, recipients, mail)] = server.kept
    assert (sender, recipients) == ("orders@shop.example", [ANNA])
    assert mail["Message-ID"] == "<m1@shop.example>"
    assert mail["X-OmniHub-Message"] == "m1"
    assert mail["To"] == "Anna Müller <anna@buyer.example>"
    assert mail["Subject"] == "Your order W-17 is confirmed"
    text = body_of(mail)
    assert "Hello Anna Müller," in text
    assert "2 x Apple juice\n0.5 x Cheese" in text.replace("\r\n", "\n")
    assert "Total: 19.90 EUR" in text


async def test_many_messages_go_in_order_in_one_conversation(
    server: MailServer, connect: Connect
) -> None:
    connector = await connect(server)
    await connector.write([message(f"m{n}") for n in range(5)])
    assert [mail["X-OmniHub-Message"] for mail in server.mails] == [f"m{n}" for n in range(5)]
    assert server.conversations == 1


async def test_a_repeated_command_is_recognised_by_the_same_message_id(
    server: MailServer, connect: Connect
) -> None:
    for _ in range(2):
        await (await connect(server)).write([message("m1")])
    first, again = server.mails
    assert first.as_bytes() == again.as_bytes()


async def test_a_recipient_refused_for_good_takes_no_other_along(
    server: MailServer, connect: Connect
) -> None:
    server.answers[f"RCPT {BOB}"] = f"550 5.1.1 <{BOB}> unknown"
    connector = await connect(server)
    error = await failures(connector, message("m1"), message("m2", BOB), message("m3"))
    assert set(error.done) == {"c-m1", "c-m3"}
    refused = error.failed[CommandId("c-m2")]
    assert isinstance(refused, Refused)
    assert "550 5.1.1" in str(refused)
    assert refused.cure


async def test_what_the_server_says_about_a_person_goes_into_no_error(
    server: MailServer, connect: Connect
) -> None:
    server.answers[f"RCPT {BOB}"] = f"550 5.1.1 <{BOB}> unknown"
    error = await failures(await connect(server), message("m1", BOB, buyer="Bob Secret"))
    refused = error.failed[CommandId("c-m1")]
    assert isinstance(refused, Refused)
    told = f"{refused!r} {refused.cure} {error!r}"
    assert "bob" not in told.lower()


async def test_a_refused_mail_body_is_refused(server: MailServer, connect: Connect) -> None:
    server.answers["DATA"] = "554 5.7.1 looks like spam"
    error = await failures(await connect(server), message())
    assert isinstance(error.failed[CommandId("c-m1")], Refused)


async def test_a_deferred_recipient_comes_again_and_the_others_go(
    server: MailServer, connect: Connect
) -> None:
    server.answers[f"RCPT {BOB}"] = "451 4.7.1 greylisted"
    error = await failures(await connect(server), message("m1", BOB), message("m2"))
    assert isinstance(error.failed[CommandId("c-m1")], Deferred)
    assert set(error.done) == {"c-m2"}


async def test_a_recipient_deferred_for_too_long_is_refused(
    server: MailServer, connect: Connect
) -> None:
    server.answers[f"RCPT {BOB}"] = "452 4.2.2 mailbox full"
    connector = await connect(server, defer_max_s=0)
    error = await failures(connector, message("m1", BOB))
    assert isinstance(error.failed[CommandId("c-m1")], Refused)


async def test_a_server_that_is_away_is_an_outage(connect: Connect) -> None:
    async with mail_server() as gone:
        pass
    error = await failures(await connect(gone), message("m1"), message("m2"))
    assert isinstance(error.failed[CommandId("c-m1")], Transient)
    assert not isinstance(error.failed[CommandId("c-m1")], Deferred)
    assert "c-m2" not in error.failed, "the rest was not tried and comes again"


async def test_a_connection_lost_after_the_last_line_is_sent_again(
    server: MailServer, connect: Connect
) -> None:
    server.answers["AFTER DATA"] = "hang up"
    connector = await connect(server)
    error = await failures(connector, message("m1"), message("m2"))
    assert isinstance(error.failed[CommandId("c-m1")], Transient)
    del server.answers["AFTER DATA"]
    await connector.write([message("m1"), message("m2")])
    ids = [mail["X-OmniHub-Message"] for mail in server.mails]
    assert ids == ["m1", "m1", "m2"], "at least once: the window is real, and recognisable"


async def test_a_sender_the_server_does_not_let_us_be_is_a_question_of_rights(
    server: MailServer, connect: Connect
) -> None:
    server.answers["MAIL orders@shop.example"] = "550 5.7.1 not you"
    error = await failures(await connect(server), message())
    assert isinstance(error.failed[CommandId("c-m1")], AuthFailed)


async def test_without_an_address_there_is_nothing_to_send(
    server: MailServer, connect: Connect
) -> None:
    error = await failures(await connect(server), message(email=None), message("m2"))
    assert isinstance(error.failed[CommandId("c-m1")], Refused)
    assert len(server.mails) == 1


async def test_other_commands_are_refused(server: MailServer, connect: Connect) -> None:
    level = SetStockLevel(
        command_id=CommandId("l"), tenant=TenantId("t"), instance=InstanceId("mail"), target="x",
        cause_id="c", accepted_at_us=1, sku=Sku("x"), quantity_milli=1, seq=1,
    )  # fmt: skip
    error = await failures(await connect(server), level)
    assert isinstance(error.failed[CommandId("l")], Refused)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_it_signs_in_over_a_verified_connection(
    tls: str, connect: Connect, tmp_path: Path
) -> None:
    context, trusted = certificate(tmp_path)
    account: dict[str, Any] = {"username": USER, "password": SecretStr(PASSWORD)}
    async with mail_server(context, with_accounts=True, at_once=tls == "tls") as server:
        connector = await connect(server, tls=tls, ca_file=trusted, **account)
        await connector.write([message()])
        assert len(server.mails) == 1
        wrong = await connect(
            server, tls=tls, ca_file=trusted, username=USER, password=SecretStr("wrong")
        )
        error = await failures(wrong, message())
        assert isinstance(error.failed[CommandId("c-m1")], AuthFailed)
        assert "wrong" not in str(error.failed[CommandId("c-m1")])


@pytest.mark.parametrize("tls", ["starttls", "tls"])
@pytest.mark.parametrize("host", ["localhost", "other.example"])
async def test_a_certificate_nobody_vouches_for_is_not_taken(
    tls: str, host: str, connect: Connect, tmp_path: Path
) -> None:
    context, trusted = certificate(tmp_path, host)
    # Unknown authority for localhost; a known one that vouches for another host.
    config: dict[str, Any] = {"ca_file": trusted} if host == "other.example" else {}
    async with mail_server(context, at_once=tls == "tls") as server:
        error = await failures(await connect(server, tls=tls, **config), message())
        assert isinstance(error.failed[CommandId("c-m1")], AuthFailed)
        assert not server.mails


async def test_a_server_without_starttls_gets_nothing_in_clear(
    server: MailServer, connect: Connect
) -> None:
    error = await failures(await connect(server, tls="starttls"), message())
    assert isinstance(error.failed[CommandId("c-m1")], AuthFailed)
    assert not server.mails


def test_a_password_never_goes_in_clear() -> None:
    with pytest.raises(ValidationError, match="in clear"):
        SmtpConfig(
            host="h", sender="a@b.example", tls="none", username="u", password=SecretStr("p")
        )


async def test_a_check_says_everything_is_well_and_sends_no_mail(
    server: MailServer, connect: Connect
) -> None:
    findings = await (await connect(server)).check()
    assert [(each.point, each.health) for each in findings] == [
        ("templates", Health.OK),
        ("server", Health.OK),
        ("sender", Health.OK),
    ]
    assert not server.mails


async def test_a_check_names_what_is_wrong(
    server: MailServer, connect: Connect, tmp_path: Path
) -> None:
    server.answers["MAIL orders@shop.example"] = "550 5.7.1 not you"
    (tmp_path / "order_confirmed.txt").write_text("no subject")
    connector = await connect(server)
    connector.config = connector.config.model_copy(update={"templates": tmp_path})
    found = {each.point: each for each in await connector.check()}
    assert found["sender"].health is Health.FAILED
    assert found["sender"].cure
    assert found["templates"].health is Health.FAILED
