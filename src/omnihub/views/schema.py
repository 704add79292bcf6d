"""The tables of the views. They hold nothing that the topics do not: delete them, they come back.

Guarantees: each folded table has the record's log key as its primary key and says where in the
log the row comes from; every other column is a field of the record under the same name, or
`record`: the whole record as JSON, where it has parts of its own. What is sealed stays sealed.
Views of another release, with other columns, are dropped, to be folded anew.
"""

import sqlite3
import time

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    inspect,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable

METADATA = MetaData()


def _folded(
    name: str, *columns: Column[str] | Column[int] | Column[bool], indexes: tuple[Index, ...] = ()
) -> Table:
    return Table(
        name,
        METADATA,
        Column("log_key", String, primary_key=True),
        *columns,
        Column("log_partition", Integer, nullable=False),
        Column("log_offset", BigInteger, nullable=False),
        *indexes,
    )


def _text(name: str) -> Column[str]:
    return Column(name, String)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger)


STOCK_LEVEL = _folded(
    "stock_level",
    *map(_text, ("tenant", "sku", "location", "cause_id")),
    *map(_number, ("on_hand_milli", "held_milli", "committed_milli", "unavailable_milli")),
    *map(_number, ("safety_milli", "incoming_milli", "ats_milli", "seq")),
    *map(_number, ("occurred_at_us", "accepted_at_us")),
    indexes=(
        Index("stock_level_by_sku", "tenant", "sku", "location"),
        Index("stock_level_by_location", "tenant", "location", "sku"),
        Index("stock_level_by_log", "log_partition", "log_offset"),
    ),
)
CHANNEL_ATS = _folded(
    "channel_ats",
    *map(_text, ("tenant", "sku", "channel", "cause_id")),
    *map(_number, ("pool_milli", "ats_milli", "seq", "accepted_at_us")),
    indexes=(
        Index("channel_ats_by_sku", "tenant", "sku", "channel"),
        Index("channel_ats_by_channel", "tenant", "channel", "sku"),
        Index("channel_ats_by_log", "log_partition", "log_offset"),
    ),
)
PRODUCT = _folded(
    "product",
    *map(_text, ("tenant", "sku", "title", "gtin", "unit", "category", "brand", "status")),
    *map(_text, ("source", "cause_id")),
    *map(_number, ("accepted_at_us", "seq")),
    indexes=(Index("product_by_sku", "tenant", "sku"),),
)
PARKED = _folded(
    "parked",
    *map(_text, ("task", "park_key", "topic", "record_type", "error_class", "error", "cure")),
    *map(_number, ("queue_index", "partition", "offset", "attempts")),
    *map(_number, ("parked_at_us", "accepted_at_us")),
    *map(_text, ("instance", "waits_for")),
    Column("is_edited", Boolean),
    indexes=(
        Index("parked_by_age", "parked_at_us"),
        Index("parked_by_queue", "task", "park_key", "queue_index"),
    ),
)
ACTED = _folded(
    "acted",
    *map(_text, ("event_id", "request_id", "task", "park_key", "action", "outcome")),
    *map(_text, ("requested_by", "reason", "topic", "record_type", "error_class", "error", "cure")),
    *map(_number, ("requested_at_us", "accepted_at_us", "partition", "offset")),
    *map(_number, ("records", "remaining")),
    indexes=(
        Index("acted_by_queue", "task", "park_key", "accepted_at_us"),
        Index("acted_by_request", "request_id"),
    ),
)
REJECTED = _folded(
    "rejected",
    *map(_text, ("tenant", "event_id", "cause_id", "source", "entity")),
    *map(_text, ("reason_code", "detail", "subject_type", "subject")),
    *map(_number, ("occurred_at_us", "accepted_at_us")),
    indexes=(Index("rejected_by_age", "tenant", "accepted_at_us"),),
)
EFFECT = _folded(
    "effect",
    *map(_text, ("command_id", "tenant", "instance", "target", "outcome", "error_class")),
    *map(_text, ("message", "cure", "external_ref")),
    *map(_number, ("accepted_at_us", "finished_at_us")),
    indexes=(Index("effect_by_target", "tenant", "target", "instance"),),
)
CROSS_REFERENCE = _folded(
    "cross_reference",
    *map(_text, ("tenant", "instance", "kind", "code", "canonical", "set_by")),
    _number("set_at_us"),
    indexes=(Index("cross_reference_by_code", "tenant", "instance", "kind", "code"),),
)
ORDER = _folded(
    "sales_order",
    *map(_text, ("tenant", "order_id", "status", "channel", "source", "number", "subject")),
    *map(_number, ("placed_at_us", "accepted_at_us")),
    _text("record"),
    indexes=(
        Index("sales_order_by_id", "tenant", "order_id"),
        Index("sales_order_by_time", "tenant", "placed_at_us", "order_id"),
        Index("sales_order_by_number", "tenant", "number"),
        Index("sales_order_by_subject", "tenant", "subject"),
        Index("sales_order_by_log", "log_partition", "log_offset"),
    ),
)
FULFILMENT = _folded(
    "fulfilment",
    *map(_text, ("tenant", "order_id", "fulfilment_id", "location", "status", "record")),
    indexes=(
        Index("fulfilment_by_order", "tenant", "order_id", "fulfilment_id"),
        Index("fulfilment_by_log", "log_partition", "log_offset"),
    ),
)
RESERVATION = _folded(
    "reservation",
    *map(_text, ("tenant", "reservation_id", "order_id", "line_id", "sku", "channel")),
    *map(_text, ("location", "status", "reason", "cause_id")),
    *map(_number, ("quantity_milli", "expires_at_us", "seq", "occurred_at_us", "accepted_at_us")),
    indexes=(Index("reservation_by_order", "tenant", "order_id", "line_id"),),
)
PAYMENT = _folded(
    "payment",
    *map(_text, ("tenant", "payment_id", "order_id", "provider", "provider_reference", "method")),
    *map(_text, ("currency", "last", "cause_id")),
    *map(_number, ("authorised_minor", "captured_minor", "refunded_minor")),
    *map(_number, ("seq", "accepted_at_us")),
    indexes=(Index("payment_by_order", "tenant", "order_id", "payment_id"),),
)
RETURN = _folded(
    "sales_return",
    *map(_text, ("tenant", "order_id", "return_id", "status", "record")),
    indexes=(Index("sales_return_by_order", "tenant", "order_id", "return_id"),),
)
CUSTOMER = _folded(
    "customer",
    *map(_text, ("tenant", "customer_id", "record")),
    indexes=(
        Index("customer_by_id", "tenant", "customer_id"),
        Index("customer_by_log", "log_partition", "log_offset"),
    ),
)
CUSTOMER_TOKEN = Table(
    "customer_token",
    METADATA,
    Column("log_key", String, primary_key=True),
    *(Column(name, String, primary_key=True) for name in ("kind", "scope", "token")),
    _text("tenant"),
    _text("customer_id"),
    Index("customer_by_token", "tenant", "token", "kind"),
)
SUBJECT_LINK = _folded(
    "subject_link",
    *map(_text, ("tenant", "subject", "customer_id", "source", "cause_id")),
    *map(_number, ("seq", "accepted_at_us")),
    indexes=(
        Index("subject_link_by_subject", "tenant", "subject"),
        Index("subject_link_by_customer", "tenant", "customer_id", "subject"),
    ),
)
CUSTOMER_REDIRECT = _folded(
    "customer_redirect",
    *map(_text, ("tenant", "customer_id", "survivor", "cause_id")),
    _number("accepted_at_us"),
    indexes=(
        Index("customer_redirect_by_id", "tenant", "customer_id"),
        Index("customer_redirect_by_log", "log_partition", "log_offset"),
    ),
)
CONSENT = _folded(
    "consent",
    *map(_text, ("tenant", "customer_id", "channel", "purpose", "state", "cause_id")),
    *map(_number, ("at_us", "accepted_at_us")),
    indexes=(Index("consent_by_customer", "tenant", "customer_id", "channel", "purpose"),),
)
CART = _folded(
    "cart",
    *map(_text, ("tenant", "cart_id", "channel", "subject", "status", "record")),
    indexes=(
        Index("cart_by_id", "tenant", "cart_id"),
        Index("cart_by_log", "log_partition", "log_offset"),
    ),
)
PRICE = _folded(
    "price",
    *map(_text, ("tenant", "sku", "price_list", "channel", "location")),
    *map(_number, ("valid_from_us", "valid_to_us", "priority")),
    _text("record"),
    indexes=(Index("price_by_sku", "tenant", "sku", "price_list", "valid_from_us"),),
)
FOLD_POSITION = Table(
    "fold_position",
    METADATA,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)
FOLDED_LOG = Table("folded_log", METADATA, Column("log_id", String, primary_key=True))

SWITCH_TIMEOUT_S, SWITCH_PAUSE_S = 5.0, 0.01
SHAPE_LOCK = 0x6F6D6E69
"""Any number that only those who make views ask for (PostgreSQL's advisory locks)."""


def open_views(url: str) -> Engine:
    """Connect to the views of `url`, making the tables that are missing."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", tune_sqlite)
    _drop_other_shape(engine)
    make_tables(engine, METADATA)
    return engine


def _drop_other_shape(engine: Engine) -> None:
    """Drop all views if one has other columns: they come back from the topics, whole.

    Looks again when it is alone: another process may have made them anew, and filled them.
    """
    with engine.begin() as connection:
        if not _has_other_shape(connection):
            return
    with engine.begin() as connection:
        _keep_others_out(connection)
        if _has_other_shape(connection):
            for table in METADATA.sorted_tables:
                connection.execute(DropTable(table, if_exists=True))


def _keep_others_out(connection: Connection) -> None:
    """Let no other process drop or make tables until this transaction is over."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(select(func.pg_advisory_xact_lock(SHAPE_LOCK)))


def _has_other_shape(connection: Connection) -> bool:
    return any(_is_of_other_shape(connection, table) for table in METADATA.sorted_tables)


def _is_of_other_shape(connection: Connection, table: Table) -> bool:
    found = inspect(connection)
    if not found.has_table(table.name):
        return False
    return {one["name"] for one in found.get_columns(table.name)} != set(table.columns.keys())


def make_tables(engine: Engine, metadata: MetaData) -> None:
    """Make the tables and indexes that are missing.

    All processes of a first start come here at once: asking first and then making would race.
    """
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in sorted(table.indexes, key=lambda each: str(each.name)):
                connection.execute(CreateIndex(index, if_not_exists=True))


def tune_sqlite(connection: DBAPIConnection, _: object) -> None:
    """Let readers and writers of other processes in."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 5000")  # First: the next one may have to wait, too.
    _use_write_ahead_log(cursor)
    # The log holds everything: a lost tail of the view is folded again.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _use_write_ahead_log(cursor: DBAPICursor) -> None:
    """Switch the journal; of processes that do so at once SQLite refuses all but one, unwaited."""
    until_s = time.monotonic() + SWITCH_TIMEOUT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until_s:
                raise
            time.sleep(SWITCH_PAUSE_S)
        else:
            return
