"""A run that was left running: what it is, how to use it, how to end it.

Guarantees: only processes that the run noted are ended, each recognised by its command line.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from omnihub_connectors.tryton.process import TrytonUnavailable
from omnihub_connectors.tryton.server import TrytonServer
from rich.console import Console

from omnihub_demo import hub as hubs
from omnihub_demo import shop as shops
from omnihub_demo.folders import Folders
from omnihub_demo.process import ChildProcess, DemoError

if TYPE_CHECKING:
    from omnihub_demo.show import Options
    from omnihub_demo.stage import Stage


@dataclass(frozen=True, slots=True)
class Kept:
    """What `state.json` holds: the play, and where everything is."""

    week: int
    seed: int
    now_us: int
    hub_url: str
    hub_pid: int
    shop_url: str
    shop_pid: int
    mail_pid: int
    board_pid: int


def write(options: "Options", stage: "Stage") -> None:
    """Note a run."""
    systems = stage.systems
    kept = Kept(
        week=options.week,
        seed=options.seed,
        now_us=stage.now_us,
        hub_url=systems.hub.url,
        hub_pid=systems.hub.process.pid,
        shop_url=systems.shop.url,
        shop_pid=systems.shop.process.pid,
        mail_pid=stage.mail.process.pid,
        board_pid=stage.board.process.pid,
    )
    systems.folders.state.write_text(json.dumps(asdict(kept), indent=2) + "\n")


def read(folders: Folders) -> Kept:
    """Return the run that was kept.

    Raises:
        DemoError: none was.
    """
    try:
        return Kept(**json.loads(folders.state.read_text()))
    except FileNotFoundError:
        raise DemoError(f"No demo is kept in {folders.root}. Start one: make demo KEEP=1") from None


def stop(folders: Folders) -> bool:
    """End a kept run; return whether there was one."""
    if not folders.state.exists():
        return False
    kept = read(folders)
    ChildProcess(kept.board_pid, str(folders.root / "board.json")).end(5.0)
    hub_process(kept, folders).end(hubs.STOP_GRACE_S)
    ChildProcess(kept.mail_pid, str(folders.root / "mail")).end(5.0)
    shop_process(kept).end(5.0)
    with suppress(TrytonUnavailable):
        TrytonServer(folders.tryton).stop()
    folders.state.unlink()
    return True


def hub_process(kept: Kept, folders: Folders) -> ChildProcess:
    """Return the process of `omnihub up`."""
    return ChildProcess(kept.hub_pid, str(folders.config))


def shop_process(kept: Kept) -> ChildProcess:
    """Return the process of the web store."""
    return ChildProcess(kept.shop_pid, shops.MODULE)


def tell(stage: "Stage", console: Console) -> None:
    """Print every address, user and key."""
    systems = stage.systems
    folders, admin = systems.folders, systems.erp.server.admin
    password = admin.password.get_secret_value()
    shop_keys = f"{folders.secret(shops.KEY)}:{folders.secret(shops.SECRET)}"
    rows = (
        ("hub", systems.hub.url, f"Authorization: Bearer {folders.secret(hubs.API_KEY)}"),
        ("Tryton", admin.url, f"database {admin.database}, user {admin.user}: {password}"),
        ("web store", systems.shop.url, shop_keys),
        ("board", stage.board.url, ""),
        ("mailbox", str(stage.mail.folder), ""),
        ("Kafka", systems.hub.run().bootstrap, ""),
        ("registry", systems.hub.run().registry_url, ""),
        ("spool", str(folders.spool), ""),
    )
    console.print("Everything goes on running:", highlight=False)
    for name, address, key in rows:
        line = f"  {name:10} {address}  {key}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(
        "Edit a quantity by hand in Tryton or in the web store, then: omnihub demo verify\n"
        "End it: omnihub demo stop",
        highlight=False,
    )
