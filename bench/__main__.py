"""Runs the benchmarks and writes bench/results/latest.json: `make bench`.

    python -m bench [--only engine,latency] [--rounds 2] [--events 100000] [--json]

Exit code 0: everything was measured (a missed bar is a result, not an error). 1: a side failed.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import Progress

from bench import effects, engine, keys, latency
from bench.entry import Entry
from bench.lab import ROOT, Lab
from bench.plan import Bench, Options

ALL: Sequence[Bench] = (*engine.BENCHES, *latency.BENCHES, *effects.BENCHES, *keys.BENCHES)
TARGET = ROOT / "bench" / "results" / "latest.json"


def main() -> None:
    """Parse, play, write."""
    names = [bench.name for bench in ALL]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", default=",".join(names), help=f"some of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int)
    parser.add_argument("--json", action="store_true", help="print the entries")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # What was started here must end, too.
    wanted = given.only.split(",")
    if unknown := set(wanted) - set(names):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    benches = [bench for bench in ALL if bench.name in wanted]
    entries = play(benches, Options(given.rounds, given.events))
    write(entries, is_whole=len(benches) == len(ALL))
    if given.json:
        print(json.dumps(entries, indent=2, ensure_ascii=False))
    sys.exit(any("failed" in entry for entry in entries))


def play(benches: Sequence[Bench], options: Options) -> list[dict[str, Any]]:
    """Run benchmarks on one broker, one after another."""
    expected_s = sum(bench.expected_s for bench in benches)
    entries: list[dict[str, Any]] = []
    console = Console(stderr=True)
    with Progress(console=console) as progress, Lab(progress) as lab:
        whole = progress.add_task(f"about {expected_s // 60 + 1} min", total=expected_s)
        for bench in benches:
            began_s = time.monotonic()
            for entry in bench.play(lab, options):
                entries.append(entry.as_json())
                lab.say(told(entry))
            progress.advance(whole, bench.expected_s)
            lab.say(f"[dim]{bench.name} took {time.monotonic() - began_s:.0f} s")
    return entries


def told(entry: Entry) -> str:
    """Return a result as one line."""
    shown = entry.as_json()
    peers = "  ".join(f"{name} {figure}" for name, figure in shown["peers"].items())
    ratios = ", ".join(f"{text}: {ratio}" for text, ratio in shown["ratios"].items())
    verdict = {None: "", True: "[green]reached", False: "[red]missed"}[shown["reached"]]
    figures = f"hub {shown['hub']} {shown['unit']}  {peers}  {ratios}"
    return f"[bold]{shown['bench']}[/]: {figures} {verdict}"


def write(entries: list[dict[str, Any]], *, is_whole: bool) -> None:
    """Write what was measured; a narrowed run replaces its own entries only."""
    names = {entry["bench"] for entry in entries}
    kept: list[dict[str, Any]] = []
    if not is_whole and TARGET.exists():
        kept = [one for one in json.loads(TARGET.read_text()) if one["bench"] not in names]
    TARGET.write_text(json.dumps([*kept, *entries], indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
