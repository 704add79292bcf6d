"""A downstream service as its authors would write it: notes what it was handed."""

import sys
from pathlib import Path

from omnihub.insight import Subscriber
from omnihub.model.records import StockMoved

bootstrap, registry, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
service = Subscriber("noting", bootstrap=bootstrap, registry=registry)


@service.on(StockMoved)
async def note(event: StockMoved) -> None:
    """Append the id; refuse `bad` until somebody mends the service."""
    if event.meta.event_id == "bad" and not (folder / "mended").exists():
        raise RuntimeError("no room for this one")
    with (folder / "noted").open("a") as file:
        file.write(event.meta.event_id + "\n")


if __name__ == "__main__":
    sys.argv = sys.argv[:1]
    service.run()
