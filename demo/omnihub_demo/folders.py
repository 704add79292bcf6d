"""Where a run of the demo keeps its things.

Guarantees: nothing outside `root` is touched; `fresh` removes what an earlier run left.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

DEFAULT_ROOT = Path("build/demo")


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders and files under `root`."""

    root: Path

    @property
    def config(self) -> Path:
        """The hub's configuration."""
        return self.root / "omnihub.yaml"

    @property
    def data(self) -> Path:
        """The hub's data."""
        return self.root / "data"

    @property
    def spool(self) -> Path:
        """Where the tills drop their files."""
        return self.root / "spool"

    @property
    def incoming(self) -> Path:
        """Files that the hub has not accepted yet."""
        return self.spool / "incoming"

    @property
    def archive(self) -> Path:
        """Files that the hub has accepted."""
        return self.spool / "archive"

    @property
    def tryton(self) -> Path:
        """The ERP's database, configuration and log."""
        return self.root / "tryton"

    @property
    def secrets(self) -> Path:
        """One file a secret."""
        return self.root / "secrets"

    @property
    def logs(self) -> Path:
        """What the processes of the demo print."""
        return self.root / "logs"

    @property
    def state(self) -> Path:
        """What a kept run is, for `omnihub demo verify` and `stop`."""
        return self.root / "state.json"

    @property
    def report(self) -> Path:
        """The report of the run, beside the folder, kept over runs."""
        return self.root.parent / "demo.json"

    def fresh(self) -> None:
        """Make everything anew."""
        shutil.rmtree(self.root, ignore_errors=True)
        for folder in (self.incoming, self.archive, self.tryton, self.logs):
            folder.mkdir(parents=True)
        self.secrets.mkdir(mode=0o700)

    def write_secret(self, name: str, value: str) -> None:
        """Keep a secret in a file that only its owner reads."""
        path = self.secrets / name
        path.touch(mode=0o600)
        path.write_text(value)

    def secret(self, name: str) -> str:
        """Return a secret that this run wrote."""
        return (self.secrets / name).read_text()
