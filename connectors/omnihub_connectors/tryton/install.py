"""Installs a Tryton of our own: a virtual environment by lock, and one database to copy from.

Guarantees: packages are those of the lock, by hash; an installation that was interrupted is
repeated, a finished one is kept until the lock or the template's recipe changes; two at a time
wait for each other. Does not: touch the environment that OmniHub itself runs in.
"""

import asyncio
import fcntl
import hashlib
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
from pydantic import SecretStr

from omnihub.model.errors import OmniHubError
from omnihub_connectors.tryton.books import add_user, open_books
from omnihub_connectors.tryton.process import DATABASE, TrytonProcess
from omnihub_connectors.tryton.rpc import Account, TrytonRpc

LOCK = Path(__file__).with_name("requirements-tryton.lock")
MODULES = ("stock", "sale", "purchase", "account_invoice", "account_invoice_stock")
COMPANY = "OmniHub Retail"
ADMIN = "admin"
CONNECTOR_USER = "omnihub"
CONNECTOR_GROUPS = ("Stock", "Stock Force Assignment", "Sales")
HOME_VARIABLE = "OMNIHUB_TRYTON_HOME"
_RECIPE = "1"
"""Raise it when what a template holds changes."""

Progress = Callable[[str], None]


class InstallationFailed(OmniHubError):
    """Something is not installed, or a step of the installation failed."""


def say(line: str) -> None:
    """Write a line of progress."""
    sys.stderr.write(f"{line}\n")


def default_home() -> Path:
    """Return where Tryton is installed: $OMNIHUB_TRYTON_HOME or build/tryton-venv."""
    return Path(os.environ.get(HOME_VARIABLE, "build/tryton-venv")).absolute()


class Installation:
    """A virtual environment at `home` with trytond, and the template beside its packages."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._bin = home / "bin"
        self._share = home / "share" / "omnihub"

    @property
    def trytond(self) -> Path:
        """The server's program."""
        return self._bin / "trytond"

    @property
    def template(self) -> Path:
        """The database a new server starts from: a company, its chart, two users, no goods."""
        return self._share / f"template-{_fingerprint()}.sqlite"

    @property
    def is_complete(self) -> bool:
        """Tell whether `install` has nothing to do."""
        return self.template.exists()

    def password(self) -> str:
        """Return the password of all users of the template, made at installation."""
        self.require()
        return self._password_file.read_text()

    def require(self) -> None:
        """Raise `InstallationFailed` unless it is complete."""
        if not self.is_complete:
            raise InstallationFailed(
                f"no Tryton of this release in {self._home}. "
                "Run: python -m omnihub_connectors.tryton.server install"
            )

    def install(self, progress: Progress) -> None:
        """Install what is missing; `progress` is given one line per step.

        Raises:
            InstallationFailed: a step failed.
        """
        with _alone(self._home):
            if self.is_complete:
                return
            progress(f"Tryton: packages into {self._home}")
            self._install_packages()
            progress("Tryton: building its database, once (about half a minute)")
            self._build_template()

    @property
    def _password_file(self) -> Path:
        return self._share / "password"

    def _install_packages(self) -> None:
        _run([sys.executable, "-m", "venv", "--without-pip", str(self._home)])
        target = ["--python", str(self._bin / "python")]
        _run([_uv(), "pip", "sync", "--quiet", *target, "--require-hashes", str(LOCK)])

    def _build_template(self) -> None:
        self._share.mkdir(parents=True, exist_ok=True)
        for stale in self._share.glob("template-*"):
            stale.unlink()
        password = secrets.token_urlsafe(18)
        _write_private(self._password_file, password)
        with tempfile.TemporaryDirectory(dir=self._share) as scratch:
            process = TrytonProcess(Path(scratch), self.trytond)
            self._create_tables(process)
            process.start()
            try:
                asyncio.run(_open(process.url, password))
            finally:
                process.stop()
            compact = Path(scratch) / "template"
            with closing(sqlite3.connect(process.database_file)) as database:
                database.execute("VACUUM INTO ?", (str(compact),))
            os.replace(compact, self.template)

    def _create_tables(self, process: TrytonProcess) -> None:
        config = process.configure(port=0)
        process.database_file.touch()  # trytond opens SQLite files, it does not make them
        command = [str(self._bin / "trytond-admin"), "-c", str(config), "-d", DATABASE]
        modules = ["-u", *MODULES, "--activate-dependencies"]
        environment = {**os.environ, "TRYTONPASSFILE": str(self._password_file)}
        _run([*command, *modules, "--email", "admin@example.com"], environment)


async def _open(url: str, password: str) -> None:
    account = Account(url, DATABASE, ADMIN, SecretStr(password))
    async with httpx.AsyncClient() as http:
        rpc = TrytonRpc(http, account)
        await open_books(rpc, COMPANY)
        await add_user(rpc, CONNECTOR_USER, account.password, CONNECTOR_GROUPS)


def _fingerprint() -> str:
    """Name what a template is made from, so that another release builds another one."""
    recipe = f"{_RECIPE}:{','.join(MODULES)}:{','.join(CONNECTOR_GROUPS)}".encode()
    return hashlib.sha256(recipe + LOCK.read_bytes()).hexdigest()[:12]


def _run(command: list[str], environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        output = (done.stdout + done.stderr).strip()[-2000:]
        raise InstallationFailed(f"`{' '.join(command)}` ended with {done.returncode}:\n{output}")


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    if beside.exists():
        return str(beside)
    if (found := shutil.which("uv")) is None:
        raise InstallationFailed("uv is not installed. Run: pip install uv")
    return found


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the lock of an installation; a second one waits here and then finds it complete."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
