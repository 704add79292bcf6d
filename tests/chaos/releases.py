"""Several releases of the hub beside each other: real copies of the code with other schemas.

A worker of a release imports that release's own `omnihub`, registers its schemas as `omnihub up`
does, and runs the ledger and the tally.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from unit.contracts.releases import Release

import omnihub
from chaos import worker
from chaos.installation import Installation
from chaos.plants import Options, plant
from omnihub.cli.output import exit_code
from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.inline import own_schemas
from omnihub.contracts.registry_client import RegistryClient
from omnihub.model.errors import OmniHubError
from omnihub.model.records import RECORDS

SCHEMAS = own_schemas()
REGISTRY = "OMNIHUB_CHAOS_REGISTRY"
"""Tells a worker the URL of the registry."""
NO_FAULT = "never:0:KILL"


class Fleet(Installation):
    """Workers of several releases: `releases` says which a slot starts with, if not the checkout.

    What is appended and judged goes through the checkout's codec.
    """

    registry_url = ""
    releases: dict[str, Release]

    def connect(self, registry_url: str) -> None:
        """Register the checkout's schemas, before any other release does."""
        self.registry_url, self.releases = registry_url, {}
        self.client = RegistryClient(registry_url)
        self.ids = self.client.register_all()
        self.codec = Codec(self.ids)

    def close(self) -> None:
        """Close the connection to the registry."""
        self.client.close()

    def own_frames(self) -> set[bytes]:
        """Return what values begin with that the checkout writes."""
        ids = (self.ids.id_of(kind.AVRO_NAME) for kind in RECORDS if kind.AVRO_NAME in SCHEMAS)
        return {b"\0" + schema_id.to_bytes(4, "big") for schema_id in ids}

    def start_worker(
        self, slot: str, fault: str | None, extra: tuple[str, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a worker of the slot's release."""
        given = {"bootstrap": self.bootstrap, "mark": self.mark, "slot": slot}
        given |= {"contract": str(self.contract), "fault": fault, "plant": self.plant}
        words = [word for name, v in given.items() if v for word in (f"--{name}", v)]
        release = self.releases.get(slot, Release())
        environ = {**release.environ, REGISTRY: self.registry_url}
        with self.log.open("ab") as log:
            command = [sys.executable, str(Path(__file__)), *words, *extra]
            return subprocess.Popen(command, stdout=log, stderr=log, env=environ)

    def told(self, text: str) -> bool:
        """Tell whether any worker said so."""
        return text in " ".join(self.log.read_text(errors="replace").split())


@plant
def new_schema_at_once() -> Options:
    """Write under the release's own schemas, whatever the release before knows."""
    SchemaIds.earlier = lambda *_: None  # type: ignore[method-assign]
    return {}


@plant
def newer_rows_admitted() -> Options:
    """Take rows of a newer release for our own."""
    Codec.admit_row = lambda codec, value: codec.decode(value)  # type: ignore[method-assign]
    return {}


@plant
def writer_schema_ignored() -> Options:
    """Read everything as if it had been written under our own schemas."""
    learned = SchemaIds.schema_of

    def schema_of(ids: SchemaIds, schema_id: int) -> Any:
        theirs = learned(ids, schema_id)
        own = ids._ids.get(f"omnihub.{theirs['name'].rpartition('.')[2]}")
        return ids._schemas[own] if own is not None else theirs

    SchemaIds.schema_of = schema_of  # type: ignore[method-assign]
    return {}


def main() -> None:
    """Work as a process of the hub would: a refusal is told, and ends it with its exit code."""
    print(f"running {Path(omnihub.__file__).parent}", flush=True)
    try:
        worker.codec_of = lambda _: Codec(RegistryClient(os.environ[REGISTRY]).register_all())
        worker.main()
    except OmniHubError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        sys.exit(exit_code(error))


if __name__ == "__main__":
    main()
