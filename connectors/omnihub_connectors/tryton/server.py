"""A real Tryton server on this machine, for tests and the demo.

Guarantees: trytond (GPL-3.0) lives in a virtual environment and a process of its own and is never
imported here; its database is built once, by `python -m omnihub_connectors.tryton.server install`,
and copied per directory, so that a first start takes about two seconds.
Does not: serve production. SQLite has one writer at a time and the HTTP server is werkzeug's.
"""

import shutil
import sys
from pathlib import Path

from pydantic import SecretStr

from omnihub_connectors.tryton.install import (
    ADMIN,
    CONNECTOR_USER,
    Installation,
    default_home,
    say,
)
from omnihub_connectors.tryton.process import DATABASE, START_TIMEOUT_S, TrytonProcess
from omnihub_connectors.tryton.rpc import Account


class TrytonServer:
    """One server over one directory. Sign in as `admin` to set up, as `connector` to integrate."""

    def __init__(self, directory: Path, installation: Installation | None = None) -> None:
        self._installation = installation or Installation(default_home())
        self._process = TrytonProcess(directory, self._installation.trytond)

    @property
    def url(self) -> str:
        """Where it answers; known after the first start."""
        return self._process.url

    @property
    def pid(self) -> int:
        """Its process; known after the first start."""
        return self._process.pid

    @property
    def database_file(self) -> Path:
        """Where its SQLite database lies."""
        return self._process.database_file

    @property
    def admin(self) -> Account:
        """The account that may do everything."""
        return self._account(ADMIN)

    @property
    def connector(self) -> Account:
        """The account with the rights that the connector needs, and no more."""
        return self._account(CONNECTOR_USER)

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start it, on the same port and data as before if there are any.

        Raises:
            InstallationFailed: nothing is installed.
            TrytonUnavailable: it runs already, ends at once or does not answer in time.
        """
        self._installation.require()
        database = self._process.database_file
        if not database.exists():
            database.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._installation.template, database)
        self._process.start(timeout_s)

    def stop(self) -> None:
        """End it with SIGTERM, after a while with SIGKILL; return when it is gone."""
        self._process.stop()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would; return when it is gone."""
        self._process.kill()

    def is_running(self) -> bool:
        """Tell whether it lives; any process may ask."""
        return self._process.is_running()

    def _account(self, user: str) -> Account:
        return Account(self.url, DATABASE, user, SecretStr(self._installation.password()))


def main(arguments: list[str]) -> int:
    """Run `python -m omnihub_connectors.tryton.server install`."""
    if arguments != ["install"]:
        say("usage: python -m omnihub_connectors.tryton.server install")
        return 2
    Installation(default_home()).install(say)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
