"""Brings results of commands to the inbox of the rule that waits for them.

Guarantees: each result reaches the outbound inbox once. Does not: judge it.
"""

from typing import ClassVar

from omnihub.model.record import Record
from omnihub.model.records import CommandResult
from omnihub.rules.routing import OUTBOUND_INBOX
from omnihub.rules.rule import Out, Rows, Rule, on


class ResultsRule(Rule):
    """A rule without rows: one inbox per aggregate stays the only thing its rule reads."""

    name: ClassVar[str] = "results"
    inbox: ClassVar[str] = "omni.result.v1"
    events: ClassVar[str] = "omni.rejected.v1"

    def park_key(self, record: Record) -> str:
        """Results wait per target."""
        return f"{getattr(record, 'instance', '')}:{getattr(record, 'target', '')}"

    @on(CommandResult)
    def on_result(self, result: CommandResult, rows: Rows, out: Out) -> None:
        """Forward the result."""
        out.emit(OUTBOUND_INBOX, result)
