"""One `omnihub up` in a folder of its own, used as its users use it: files, webhooks, API, CLI.

Guarantees: whatever a person is shown (answers, what commands print) is looked at for stack
traces; `stop` ends by pid what `start` began.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.clients import Cluster
from omnihub.broker.embedded import kafka_status

OMNIHUB = (sys.executable, "-m", "omnihub")
STORE, WEB_STORE = "store-367", "store-web"
PATIENCE_S = 30.0
QUIET_S = 0.7
BODY_LIMIT_BYTES = 64 * 1024
T = TypeVar("T")


def without_trace(shown: str) -> str:
    """Return what a person was shown, after a look at it."""
    assert "Traceback" not in shown, shown
    assert 'File "' not in shown, shown
    return shown


def config_of(folder: Path, api_port: int, shop_url: str) -> dict[str, Any]:
    """Return an installation with tills and one web store."""
    return {
        "api": {"port": api_port, "body_limit_bytes": BODY_LIMIT_BYTES},
        "registry": {"port": 0},
        "workers": {"count": 1},
        "partitions": {"default": 4, "raw": 2},
        "channels": {"WEB": {"locations": [WEB_STORE]}},
        "connectors": {
            "pos": {
                "type": "poslog",
                "owns": ["stock"],
                "map": {"sku": "table", "location": "table"},
                "config": {"spool": str(folder / "spool"), "time_zone": "America/New_York"},
            },
            "shop": {
                "type": "woocommerce",
                "map": {"sku": "identity"},
                "levels": {"channel": "WEB"},
                "config": {
                    "url": shop_url,
                    "consumer_key": "${env:WOO_CONSUMER_KEY}",
                    "consumer_secret": "${env:WOO_CONSUMER_SECRET}",
                    "webhook_secrets": ["${env:LAB_WEBHOOK_SECRET}"],
                    "webhook_url": f"http://127.0.0.1:{api_port}/v1/webhooks/shop",
                    "poll_interval_s": 1.0,
                    "settle_s": 1,
                },
            },
        },
    }


class Hub:
    """A running installation."""

    def __init__(self, folder: Path, config: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self.folder = folder
        self.incoming, self.archive = folder / "spool" / "incoming", folder / "spool" / "archive"
        self._environ = {**os.environ, **secrets}
        self._up: subprocess.Popen[bytes] | None = None
        (folder / "omnihub.yaml").write_text(json.dumps(config))

    # -- its life --

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        with self.shown.open("a") as out:
            self._up = subprocess.Popen(
                [*OMNIHUB, "up"], cwd=self.folder, env=self._environ, stdout=out, stderr=out
            )
        try:
            self.until(lambda: self.run().get("ready"), "ready", 60)
        except BaseException:  # Nobody stops what never started.
            self._up.terminate()
            self._up.wait(60)
            raise
        run = self.run()
        key = {"Authorization": f"Bearer {run['token']}"}
        self.api = httpx.Client(base_url=run["api_url"], headers=key, timeout=30)
        self._admin = TopicAdmin(Cluster(run["bootstrap"]))

    def stop(self) -> int:
        """End it; return its exit code."""
        assert self._up is not None
        self.api.close()
        self._up.send_signal(signal.SIGTERM)
        try:
            return self._up.wait(60)
        finally:
            self._up.kill()

    @property
    def shown(self) -> Path:
        """What `omnihub up` printed."""
        return self.folder / "up.out"

    def run(self) -> dict[str, Any]:
        """Return what run.json says."""
        path = self.folder / ".omnihub" / "run.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def process(self, name: str) -> dict[str, Any]:
        """Return one supervised process as it is now."""
        return next(dict(row) for row in self.run()["processes"] if row["name"] == name)

    def broker_pid(self) -> int:
        """Return the pid of Kafka's JVM."""
        broker = kafka_status(self.folder / ".omnihub" / "kafka").broker
        assert broker is not None
        return broker.pid

    def log(self, name: str) -> str:
        """Return what a process wrote into its log."""
        return (self.folder / ".omnihub" / "logs" / f"{name}.log").read_text()

    # -- what people and systems do --

    def command(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run `omnihub WORDS` in its folder."""
        done = subprocess.run(
            [*OMNIHUB, *words],
            cwd=self.folder,
            env={**self._environ, **environ},
            capture_output=True,
            text=True,
            timeout=100,
        )
        without_trace(done.stdout + done.stderr)
        return done

    def command_json(self, *words: str) -> Any:
        """Return what `omnihub WORDS --json` prints."""
        done = self.command(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def get(self, path: str, **params: Any) -> httpx.Response:
        """Ask the API."""
        answer = self.api.get(path, params=params)
        without_trace(answer.text)
        return answer

    def webhook(
        self, body: Any, headers: Mapping[str, str], instance: str = "shop"
    ) -> httpx.Response:
        """Send what a system would send; it has no API key."""
        url = self.api.base_url.join(f"/v1/webhooks/{instance}")
        answer = httpx.post(url, content=body, headers=dict(headers), timeout=30)
        without_trace(answer.text)
        return answer

    def drop(self, name: str, text: str) -> None:
        """Put a whole file into the spool at once."""
        hidden = self.incoming / f".{name}"
        hidden.write_text(text)
        hidden.rename(self.incoming / name)

    # -- what is there --

    def on_hand(self, sku: str, location: str = STORE) -> int | None:
        """Return the thousandths on hand, None before anything is known."""
        level = self.level(sku, location)
        return None if level is None else int(level["on_hand_milli"])

    def level(self, sku: str, location: str = STORE) -> dict[str, Any] | None:
        """Return the level of a SKU."""
        answer = self.get(f"/v1/stock/{sku}")
        rows = answer.json()["locations"] if answer.status_code == 200 else []
        return next((row for row in rows if row["location"] == location), None)

    def product(self, sku: str) -> dict[str, Any] | None:
        """Return a product."""
        answer = self.get(f"/v1/products/{sku}")
        return dict(answer.json()) if answer.status_code == 200 else None

    def title(self, sku: str) -> str | None:
        """Return a product's title."""
        known = self.product(sku)
        return None if known is None else str(known["title"])

    def parked(self, words: str) -> list[dict[str, Any]]:
        """Return what waits in the hospital with `words` in its error."""
        items = self.get("/v1/hospital", limit=500).json()["items"]
        return [item for item in items if words in item["error"]]

    def rejected(self, subject: str) -> list[dict[str, Any]]:
        """Return the refusals about `subject`."""
        items = self.get("/v1/rejected", limit=500).json()["items"]
        return [item for item in items if item["subject"] == subject]

    # -- waiting --

    def until(self, condition: Callable[[], T], what: str = "", timeout_s: float = PATIENCE_S) -> T:
        """Return the first truth that `condition` tells."""
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            assert self._up is not None
            assert self._up.poll() is None, self.shown.read_text()
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
            time.sleep(0.05)
        return found

    def until_on_hand(self, sku: str, milli: int, location: str = STORE) -> None:
        """Wait for a level."""
        what = f"{sku} has {milli} at {location}"
        self.until(lambda: self.on_hand(sku, location) == milli, what)

    def settle(self) -> None:
        """Wait until nothing was written to the log for longer than the views need to see it."""
        before, quiet_since = self._ends(), time.monotonic()
        while time.monotonic() - quiet_since < QUIET_S:
            time.sleep(0.1)
            if (now := self._ends()) != before:
                before, quiet_since = now, time.monotonic()

    def _ends(self) -> dict[tuple[str, int], int]:
        return self._admin.ends(name for name in self._admin.names() if name.startswith("omni."))
