"""What was asked under an idempotency key: a table of its own, not folded from the log.

Guarantees: the first to ask under an id decides what it stands for, over every process that shares
the database and over restarts; whoever asks again is told that first request.
Does not: forget. Losing the table loses the detection of a key used for two things; the order of
a repeated request stays the same, because its id follows from the key.
"""

from dataclasses import asdict, dataclass

from sqlalchemy import BigInteger, Column, Engine, MetaData, String, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from omnihub.views.schema import make_tables

_METADATA = MetaData()
_REQUEST = Table(
    "api_request",
    _METADATA,
    Column("request_id", String, primary_key=True),
    Column("fingerprint", String, nullable=False),
    Column("accepted_at_us", BigInteger, nullable=False),
    Column("asked_by", String, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as first made: the keyed hash of its content, when (UTC micros) and by whom."""

    fingerprint: str
    accepted_at_us: int
    asked_by: str


class Requests:
    """Requests by id."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        make_tables(engine, _METADATA)
        maker = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
        self._insert = maker(_REQUEST).on_conflict_do_nothing()

    def remember(self, request_id: str, request: Request) -> Request:
        """Return what was first asked under `request_id`: `request` itself if nothing was."""
        with self._engine.begin() as connection:
            connection.execute(self._insert, {"request_id": request_id, **asdict(request)})
        first = self.find(request_id)
        assert first is not None
        return first

    def find(self, request_id: str) -> Request | None:
        """Return what was first asked under `request_id`, or None."""
        wanted = select(_REQUEST.c.fingerprint, _REQUEST.c.accepted_at_us, _REQUEST.c.asked_by)
        with self._engine.connect() as connection:
            row = connection.execute(wanted.where(_REQUEST.c.request_id == request_id)).first()
        return Request(*row) if row else None
