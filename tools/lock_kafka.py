"""Renews src/omnihub/broker/kafka.lock: `python tools/lock_kafka.py 4.3.1`.

Needs `mvn`, which alone decides the dependency tree; sizes and SHA-512 are taken of the files that
it downloaded and checked. Run the lab tests afterwards: they start the new broker.
"""

import argparse
import hashlib
import re
import subprocess
import tempfile
from pathlib import Path

LOCK = Path(__file__).parent.parent / "src" / "omnihub" / "broker" / "kafka.lock"
# slf4j-simple, because without a binding the broker hides every error of its own.
POM = """<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>omnihub</groupId><artifactId>kafka</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{kafka}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>
      <version>{slf4j}</version></dependency>
  </dependencies>
</project>
"""
RESOLVED = re.compile(r"^\s+([\w.\-]+):([\w.\-]+):jar:([\w.\-]+):(?:compile|runtime):(/\S+\.jar)")


def main() -> None:
    """Resolve the tree with mvn and write the lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kafka", help="the Kafka release, such as 4.3.1")
    parser.add_argument("--slf4j", default="1.7.36", help="must equal the slf4j-api Kafka uses")
    args = parser.parse_args()
    lines = sorted(locked_line(*jar) for jar in resolve(args.kafka, args.slf4j))
    header = f"# Kafka {args.kafka}, written by tools/lock_kafka.py: coordinate, SHA-512, bytes\n"
    LOCK.write_text(header + "\n".join(lines) + "\n")
    print(f"{LOCK}: {len(lines)} jars")


def resolve(kafka: str, slf4j: str) -> list[tuple[str, Path]]:
    """Return (group:artifact:version, file) of every runtime jar."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pom.xml").write_text(POM.format(kafka=kafka, slf4j=slf4j))
        subprocess.run(
            [
                *("mvn", "-q", "-B", "dependency:list", "-DincludeScope=runtime"),
                *("-DoutputAbsoluteArtifactFilename=true", "-DoutputFile=list.txt"),
            ],
            cwd=folder,
            check=True,
        )
        found = map(RESOLVED.match, (Path(folder) / "list.txt").read_text().splitlines())
        return [(f"{m[1]}:{m[2]}:{m[3]}", Path(m[4])) for m in found if m]


def locked_line(coordinate: str, jar: Path) -> str:
    """Return the lock's line for one jar."""
    content = jar.read_bytes()
    return f"{coordinate} sha512:{hashlib.sha512(content).hexdigest()} {len(content)}"


if __name__ == "__main__":
    main()
