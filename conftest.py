"""Notes which real systems took part in passing tests, for the closing line of `make test`."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
RECORD = ROOT / "build" / "real-systems.txt"
LOCKS = {
    "lab": ("Apache Kafka", ROOT / "src/omnihub/broker/kafka.lock", r"kafka_2\.13:([\d.]+)"),
    "tryton": (
        "Tryton",
        ROOT / "connectors/omnihub_connectors/tryton/requirements-tryton.lock",
        r"trytond==([\d.]+)",
    ),
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None] | pytest.TestReport:
    """Write down the systems that a passing test says are real."""
    report: pytest.TestReport = yield
    if report.when == "call" and report.passed:
        names = [_locked(mark) for mark in LOCKS if item.get_closest_marker(mark)]
        names += [str(mark.args[0]) for mark in item.iter_markers("real")]
        if names:
            RECORD.parent.mkdir(exist_ok=True)
            with RECORD.open("a", encoding="utf-8") as record:
                record.writelines(f"{name}\n" for name in names)
    return report


def _locked(mark: str) -> str:
    name, lock, pattern = LOCKS[mark]
    found = re.search(pattern, lock.read_text(encoding="utf-8"))
    return f"{name} {found.group(1)}" if found else name
