"""Structured logs: JSON lines, or readable ones on a terminal.

Guarantees: one event name and key-value pairs a line, with the process's name; values under
telling keys (password, token, ...) are replaced; no payload is ever logged by OmniHub's own code.
Lines of libraries pass through the same form.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_KEY = re.compile(
    r"password|passwd|secret|token|api_?key|authorization|cookie|signature|credential|body|payload",
    re.IGNORECASE,
)
HIDDEN = "***"


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide values whose key says that they are secret or payload."""
    for key in event:
        if _SECRET_KEY.search(key):
            event[key] = HIDDEN
    return event


def setup_logging(process: str, *, json_lines: bool, level: str = "info") -> None:
    """Send structlog and the standard library's logging to stderr in one form."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer = structlog.processors.JSONRenderer() if json_lines else _console()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    structlog.contextvars.bind_contextvars(process=process)
    _quieten()


def _console() -> structlog.typing.Processor:
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


def _quieten() -> None:
    # These say at info what our metrics say better, once a request or a fetch.
    for name in ("httpx", "httpcore", "aiokafka", "kafka", "uvicorn.access", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
