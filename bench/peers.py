"""How each side is built and started.

Peers run at their best sensible settings: the same records, keys, partitions, compression, acks and
commit interval as the hub, and what their own documents recommend otherwise. Kafka Streams keeps
its caching store, Quix and Faust their defaults but for the commit interval.
"""

import json
import subprocess
import sys
from pathlib import Path

from bench.lab import BUILD, ROOT, Run, Side
from bench.load import LEVEL_SCHEMA, LEVEL_SCHEMA_ID, MOVED_SCHEMA, MOVED_SCHEMA_ID

STREAMS = ROOT / "bench" / "kafka_streams"
QUIX = ROOT / "bench" / "quix"
JAR = STREAMS / "target" / "bench-kafka-streams-1.jar"


def hub(run: Run) -> list[list[str]]:
    """OmniHub's engine: a process a worker."""
    return [
        [
            *(sys.executable, "-m", "bench.hub_worker", "--bootstrap", run.bootstrap),
            *("--input", run.source, "--middle", run.middle, "--output", run.sink),
            *("--group", run.name, "--slot", str(slot), "--hops", str(run.hops)),
            *("--store", run.store, "--folder", str(run.folder)),
        ]
        for slot in range(run.workers)
    ]


def kafka_streams(run: Run) -> list[list[str]]:
    """Kafka Streams, exactly_once_v2: a thread a worker; `commit_ms` None leaves its defaults."""
    _build_streams()
    settings = {
        "bootstrap": run.bootstrap,
        "input": run.source,
        "middle": run.middle,
        "output": run.sink,
        "id": run.name,
        "state": str(run.folder / "state"),
        "schema": LEVEL_SCHEMA_ID,
        "movedSchema": MOVED_SCHEMA_ID,
        "store": run.store,
        "hops": run.hops,
        "threads": run.workers,
        "commit_ms": "" if run.commit_ms is None else run.commit_ms,
    }
    classpath = f"{JAR}:{STREAMS / 'target' / 'libs'}/*"
    java = ["java", "-Xmx4g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classpath]
    return [[*java, "bench.Levels", *(f"{name}={value}" for name, value in settings.items())]]


def quix(run: Run) -> list[list[str]]:
    """Quix Streams, exactly-once; its state is in RocksDB, it has no other."""
    python = _quix_python()
    arguments = [run.bootstrap, run.source, run.sink, run.name, str(run.folder / "state")]
    schemas = run.folder / "schemas.json"
    schemas.write_text(json.dumps([MOVED_SCHEMA, LEVEL_SCHEMA]))
    schema = [str(LEVEL_SCHEMA_ID), str(schemas)]
    return [[str(python), str(QUIX / "levels.py"), *arguments, *schema]]


def faust(run: Run) -> list[list[str]]:
    """A Faust table in memory, its fastest; at-least-once, because its exactly-once has faults."""
    arguments = [run.bootstrap, run.source, run.sink, run.name, str(run.folder)]
    return [[sys.executable, "-m", "bench.faust_worker", *arguments]]


HUB = Side("hub", hub)
HUB_AGAIN = Side("hub_again", hub)
KAFKA_STREAMS = Side("kafka_streams", kafka_streams)
QUIX_SIDE = Side("quix", quix)
FAUST = Side("faust", faust)


def _build_streams() -> None:
    """Build the Java peer once for each state of its source; needs a JDK and Maven."""
    sources = [STREAMS / "pom.xml", *STREAMS.rglob("*.java")]
    newest = max(path.stat().st_mtime for path in sources)
    if not JAR.is_file() or JAR.stat().st_mtime < newest:
        subprocess.run(["mvn", "-q", "-B", "clean", "package"], cwd=STREAMS, check=True)


def _quix_python() -> Path:
    """Install Quix into a virtual environment of its own, once."""
    venv = BUILD / "quix-venv"
    python = venv / "bin" / "python"
    if not (venv / "complete").exists():
        uv = str(Path(sys.executable).with_name("uv"))
        lock = str(QUIX / "requirements.lock")
        subprocess.run([uv, "venv", "-q", "--clear", str(venv)], check=True)
        install = [uv, "pip", "install", "-q", "--python", str(python), "--require-hashes", "-r"]
        subprocess.run([*install, lock], check=True)
        (venv / "complete").touch()
    return python
