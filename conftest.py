"""Which worker gets which tests, and which real systems took part in those that passed.

The systems are noted for the closing line of `make test`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

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


HUB = "tests/lab/hub/"
OWN_HUB = {f"{HUB}test_{name}.py" for name in ("canary", "tryton_down", "data_folder")}


class SharedHub(LoadFileScheduling):  # type: ignore[misc]
    """Gives a worker whole files, and all files that share one running hub to the same worker.

    A hub is ten processes: three of them would share two cores with the tests.
    """

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return HUB if file.startswith(HUB) and file not in OWN_HUB else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> SharedHub | None:
    """With `--dist loadfile`, see `SharedHub`."""
    return SharedHub(config, log) if config.getoption("dist") == "loadfile" else None


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
