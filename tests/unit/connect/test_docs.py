"""The example of docs/connectors.md works as printed, and is as short as promised."""

import json
import re
import sys
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from pydantic import SecretStr

from omnihub.connect.kit.subject import Subject
from omnihub.connect.kit.suites import ConfigSuite, MappingSuite
from omnihub.connect.kit.systems import SourceSuite
from omnihub.connect.sdk import Delivery

GUIDE = Path(__file__).parents[3] / "docs" / "connectors.md"
RECEIPTS = [
    {"id": f"{n:03}", "article": "a", "depot": "d", "pieces": n, "at_us": n} for n in range(5)
]


def example() -> str:
    found = re.search(r"<!-- example: depot\.py.*?```python\n(.*?)```", GUIDE.read_text(), re.S)
    assert found, "the guide has lost its example"
    return found.group(1)


@pytest.fixture(scope="module")
def depot():
    module = ModuleType("depot_of_the_guide")
    sys.modules[module.__name__] = module
    exec(compile(example(), "docs/connectors.md", "exec"), module.__dict__)
    yield module.Depot
    del sys.modules[module.__name__]


def answer(request: httpx.Request) -> httpx.Response:
    if request.headers["Authorization"] != "Bearer t":
        return httpx.Response(401)
    after, limit = request.url.params["after"], int(request.url.params["limit"])
    return httpx.Response(200, json=[r for r in RECEIPTS if r["id"] > after][:limit])


class TestTheExample(ConfigSuite, MappingSuite, SourceSuite):
    @pytest.fixture
    def subject(self, depot):
        return Subject(
            connector=depot,
            config={"url": "http://depot", "token": SecretStr("t")},
            network=httpx.MockTransport(answer),
            samples=[Delivery("receipts", json.dumps(RECEIPTS).encode())],
            poll_limit=1,
        )


def test_it_is_as_short_as_promised():
    lines = [line for line in example().splitlines() if line.strip()]
    code = [line for line in lines if not line.startswith(("from ", "import ", '"""'))]
    assert len(code) <= 45
