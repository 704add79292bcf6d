"""The HTTP transport: patient where it is safe, and never a second effect."""

import httpx
import pytest

from omnihub.connect.budget import Breaker, Budget, retry_after_s
from omnihub.connect.errors import AuthFailed, RateLimited, Transient
from omnihub.connect.http import Patience, PatientTransport
from omnihub.model.ids import InstanceId

WEB = InstanceId("web")


class Script(httpx.AsyncBaseTransport):
    """Answers with what was scripted, one a call; the last one stays."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    async def handle_async_request(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        return httpx.Response(status, headers=headers, content=b"body")


@pytest.fixture
def client(virtual):
    def make(script, **options):
        transport = PatientTransport(script, WEB, time=virtual.time, **options)
        return httpx.AsyncClient(transport=transport, base_url="http://shop")

    return make


@pytest.mark.parametrize("failure", [500, 503, httpx.ReadTimeout("slow"), httpx.ReadError("cut")])
async def test_a_read_is_repeated_until_it_works(client, virtual, failure):
    script = Script(failure, failure, 200)
    assert (await client(script).get("/")).content == b"body"
    assert len(script.requests) == 3
    assert len(virtual.slept_s) == 2


@pytest.mark.parametrize("failure", [500, httpx.ReadTimeout("slow")])
async def test_a_post_that_may_have_worked_is_not_repeated(client, failure):
    script = Script(failure, 200)
    with pytest.raises(Transient):
        await client(script).post("/orders")
    assert len(script.requests) == 1


@pytest.mark.parametrize("failure", [429, httpx.ConnectError("refused")])
async def test_a_post_that_was_not_taken_is_repeated(client, failure):
    script = Script(failure, 200)
    assert (await client(script).post("/orders")).status_code == 200


async def test_a_post_declared_idempotent_is_repeated(client):
    script = Script(500, 200)
    await client(script).post("/batch", extensions={"idempotent": True})
    assert len(script.requests) == 2


async def test_patience_ends_and_says_why_without_the_query(client):
    with pytest.raises(Transient, match="GET shop/x answered 503") as caught:
        await client(Script(503)).get("/x?key=canary")
    assert "canary" not in str(caught.value)


async def test_the_wait_that_was_asked_for_is_kept(client, virtual):
    await client(Script((429, {"Retry-After": "3"}), 200)).get("/")
    assert sum(virtual.slept_s) >= 3


async def test_a_long_wait_is_reported_not_slept(client, virtual):
    with pytest.raises(RateLimited) as caught:
        await client(Script((429, {"Retry-After": "120"}))).get("/")
    assert caught.value.retry_after_s == 120
    assert virtual.slept_s == []


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_are_not_tried_again(client, status):
    script = Script(status)
    with pytest.raises(AuthFailed, match=r"connectors\.web"):
        await client(script).get("/")
    assert len(script.requests) == 1


@pytest.mark.parametrize("status", [200, 201, 304, 404, 409, 422])
async def test_other_answers_are_the_connectors_business(client, status):
    assert (await client(Script(status)).get("/")).status_code == status


async def test_the_budget_spreads_calls(client, virtual):
    http = client(Script(200), budget=Budget(rate_per_s=10, burst=2))
    for _ in range(12):
        await http.get("/")
    assert sum(virtual.slept_s) == pytest.approx(1.0)


async def test_the_budget_learns_downwards_from_what_the_system_says(client, virtual):
    script = Script((200, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "7"}), 200)
    http = client(script, budget=Budget(rate_per_s=10, burst=100))
    await http.get("/")
    await http.get("/")
    assert sum(virtual.slept_s) >= 7


async def test_a_generous_header_never_raises_the_budget(client, virtual):
    http = client(
        Script((200, {"RateLimit-Remaining": "1000"})), budget=Budget(rate_per_s=1, burst=1)
    )
    await http.get("/")
    await http.get("/")
    assert sum(virtual.slept_s) == pytest.approx(1.0)


async def test_a_system_that_is_down_is_left_alone_and_then_probed_once(client, virtual):
    script = Script(500)
    http = client(script, breaker=Breaker(limit=3, pause_s=60), patience=Patience(attempts=3))
    with pytest.raises(Transient):
        await http.get("/")
    with pytest.raises(Transient, match="not sent") as caught:
        await http.get("/")
    assert caught.value.retry_after_s == pytest.approx(60, abs=2)
    assert len(script.requests) == 3
    virtual.now_s += 61
    script.answers = [200]
    await http.get("/")
    await http.get("/")
    assert len(script.requests) == 5


def test_only_one_probe_at_a_time():
    breaker = Breaker(limit=1, pause_s=5)
    breaker.failed(0.0)
    assert breaker.wait_s(1.0) == 4.0
    assert breaker.wait_s(5.0) == 0.0
    assert breaker.wait_s(5.0) == 5.0
    breaker.failed(6.0)
    assert breaker.wait_s(7.0) == 4.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12", 12.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 946_684_799 - 946_684_700.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("nan", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert retry_after_s({"retry-after": text}, wall_s=946_684_700.0) == seconds
