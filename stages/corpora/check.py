"""Stop on gold tags that cannot be trusted: a Great Expectations gate (DVC stage `corpora_check`)."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from stages.gates import facts, gate, tag_checks
from stages.gates.tag_checks import TagChecks
from stages.notes import note_table
from stages.notes.labels import Labels
from stages.notes.note_table import Note, NoteTable
from stages.runtime.stage import GateFile, stage

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation


@stage("corpora.check")
def check(
    corpus: str, notes: NoteTable, report: GateFile, passed: GateFile, checks: TagChecks, labels: Labels
) -> str:
    """Stop on gold tags that cannot be trusted.

    notes: the gold notes.
    report: every expectation and what was found.
    passed: exists only if no critical expectation failed.
    """
    findings = gate.validate(*evidence(notes, checks, labels))
    gate.judge(findings, report, passed)
    return f"{sum(finding.success for finding in findings)} of {len(findings)} expectations are met"


def evidence(
    notes: Path, checks: TagChecks, labels: Labels
) -> tuple[dict[str, pl.DataFrame], dict[str, list["Expectation"]]]:
    """The facts tables of gold notes and the suites of expectations about them, both by table."""
    found = tables(lambda: note_table.read(notes), checks)
    return found, expectations(checks, found["labels"]["label"], tagged=bool(labels.root))


def tables(read: Callable[[], Iterable[Note]], checks: TagChecks) -> dict[str, pl.DataFrame]:
    """Facts of gold notes, by table; `read` is called three times."""
    note_rows, spans = facts.tables(read(), checks.patterns())
    training = note_rows.filter(pl.col("split").is_null() | (pl.col("split") != "test"))
    in_both = note_rows["group_id"].is_in(training["group_id"].unique().to_list()) & (note_rows["split"] == "test")
    note_rows = note_rows.with_columns((~in_both.fill_null(False)).alias("group_apart"))
    return {"notes": note_rows, "spans": spans, **tag_checks.derived(spans, read, checks)}


def expectations(checks: TagChecks, present: Iterable[str], tagged: bool = True) -> dict[str, list["Expectation"]]:
    """Expectations by table, for the labels `present`. Without `tagged`, there need not be a span.

    A leak of groups or labels in an official split is only a warning: nobody here can change the split.
    """
    import great_expectations.expectations as gxe

    suites = tag_checks.expectations(checks, present, tagged=tagged)
    leak: dict[str, Any] = {"value_set": [True], "severity": "warning"}
    apart = "no official test note has its group in training too"
    known = "labels of the official test part occur in training"
    suites["notes"].append(gxe.ExpectColumnValuesToBeInSet(column="group_apart", description=apart, **leak))
    suites["labels"].append(gxe.ExpectColumnValuesToBeInSet(column="in_training", description=known, **leak))
    return suites


if __name__ == "__main__":
    check.main()
