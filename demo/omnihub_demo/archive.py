"""Read the POS back through its archive folder: which transactions the reader accepted.

Guarantees: counts every transaction key in every archived file, copies under `NAME.1` included.
Reads only files that this demo wrote itself.
"""

from collections import Counter
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

from omnihub_demo.play import TransactionKey
from omnihub_demo.poslog import NAMESPACE

KEY_PARTS = ("RetailStoreID", "WorkstationID", "SequenceNumber", "BusinessDayDate")


def read_archive(archive: Path) -> Counter[TransactionKey]:
    """Return how often each transaction lies in the archive."""
    found: Counter[TransactionKey] = Counter()
    for path in sorted(archive.iterdir()):
        if ".xml" in path.suffixes:
            found.update(keys_of(path.read_bytes()))
    return found


def keys_of(body: bytes) -> list[TransactionKey]:
    """Return the transaction keys of one POSLog file, in its order."""
    root = ElementTree.fromstring(body)  # noqa: S314 - only our own files are read
    return [_key(element) for element in root.findall(f"{{{NAMESPACE}}}Transaction")]


def _key(transaction: ElementTree.Element) -> TransactionKey:
    store, workstation, sequence, day = (
        transaction.findtext(f"{{{NAMESPACE}}}{part}", "") for part in KEY_PARTS
    )
    return TransactionKey(store, int(workstation), int(sequence), date.fromisoformat(day))
