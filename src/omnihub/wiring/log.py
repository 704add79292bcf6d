"""The log's ports over the installation's cluster."""

import json
from pathlib import Path

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.appender import KafkaAppender
from omnihub.broker.reader import KafkaReader, OnUndecodable, refuse
from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.inline import own_schemas
from omnihub.contracts.registry_client import RegistryClient
from omnihub.contracts.released import earlier_schemas, fingerprint
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.vault import LateVault
from omnihub.ops.childhood import TOKEN_VARIABLE
from omnihub.ops.files import write_atomically
from omnihub.wiring.installation import Installation
from omnihub.wiring.privacy import vault_of

IDS_FILE = "schema-ids.json"


def ids_of(install: Installation) -> SchemaIds:
    """Return the ids of this release's schemas: as noted by the running `up`, or asked for."""
    client = RegistryClient(install.registry_url())
    noted = _noted(install)
    if noted is None:
        return client.ids()
    ids, before = noted
    earlier = {name: (before[name], schema) for name, schema in earlier_schemas().items()}
    return SchemaIds(ids, own_schemas(), client.schema, earlier)


def note_ids(data_dir: Path, token: str, ids: SchemaIds) -> None:
    """Note the ids for the processes of one run: each asking anew costs a second of its start."""
    named = {name: ids.id_of(name) for name in own_schemas()}
    before = {name: pair[0] for name in own_schemas() if (pair := ids.earlier(name))}
    note = {"token": token, "contract": fingerprint(), "ids": named, "earlier": before}
    write_atomically(data_dir / IDS_FILE, json.dumps(note), mode=0o600)


def _noted(install: Installation) -> tuple[dict[str, int], dict[str, int]] | None:
    """Return the noted ids, if they are of our own release and of the run that is up.

    A process that starts after another release was installed under a running `up` is of the new
    one: it must not write its records under ids of the old.
    """
    try:
        note = json.loads((install.data_dir / IDS_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    run = install.run()
    ours = install.environ.get(TOKEN_VARIABLE) or (run.token if run else None)
    is_ours = ours == note["token"] and note.get("contract") == fingerprint()
    return (note["ids"], note["earlier"]) if is_ours else None


def codec_of(install: Installation) -> Codec:
    """Return a codec with the registry's ids; for one thread."""
    return Codec(ids_of(install), Sealer(LateVault(lambda: vault_of(install))))


def reader_of(
    install: Installation, codec: Codec, on_undecodable: OnUndecodable = refuse
) -> KafkaReader:
    """Return a reader; it stops at a value that cannot be decoded, unless told otherwise."""
    return KafkaReader(install.cluster(), install.topics, codec, on_undecodable)


def appender_of(install: Installation, codec: Codec) -> KafkaAppender:
    """Return an appender; use it as an async context manager."""
    return KafkaAppender(install.cluster(), install.topics, codec)


def admin_of(install: Installation) -> TopicAdmin:
    """Return the topic administration."""
    return TopicAdmin(install.cluster())


def log_id_of(install: Installation) -> str:
    """Return what tells this log from another one, so that views never mix two."""
    return admin_of(install).cluster_id()
