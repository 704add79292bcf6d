"""The Faust peer of the engine benchmark: one agent, one table with a changelog, in memory.

Faust as it comes: at-least-once (its exactly-once has known faults), the table's changelog on, the
same records and commit interval. Arguments: bootstrap, input, output, group, folder.
"""

import sys

import faust

from bench.load import level_after, level_value, moved_of

PARTITIONS = 4


def app_of(bootstrap: str, source: str, sink: str, group: str, folder: str) -> faust.App:
    """Return the app that keeps one level per SKU and writes one per movement."""
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap}",
        store="memory://",
        datadir=folder,
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        broker_commit_interval=0.1,
        producer_acks=-1,
        producer_compression_type="lz4",
        producer_linger=5,
        web_enabled=False,
        stream_wait_empty=False,
    )
    moved = app.topic(source, value_type=bytes, value_serializer="raw", key_type=bytes)
    levels = app.topic(sink, value_type=bytes, value_serializer="raw", key_type=bytes)
    table = app.Table("levels", partitions=PARTITIONS)

    @app.agent(moved)
    async def apply(stream: faust.Stream[bytes]) -> None:
        async for value in stream:
            movement = moved_of(value)
            location = movement["from_location"] or movement["to_location"]
            key = f"{movement['meta']['tenant']}:{movement['sku']}:{location}"
            row = level_after(movement, table.get(key))
            table[key] = row
            await levels.send(key=key.encode(), value=level_value(row))

    return app


def main() -> None:
    """Run until killed."""
    app = app_of(*sys.argv[1:])
    app.finalize()
    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


if __name__ == "__main__":
    main()
