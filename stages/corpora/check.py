"""Stop on gold tags that cannot be trusted. DVC stage corpora_check."""

import argparse
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import polars as pl

from stages.corpora.prepare import load_params
from stages.corpora.readers.base import Tagged
from stages.shared import facts, gate, notes, params, tag_checks
from stages.shared.errors import run
from stages.shared.notes import Note
from stages.shared.tag_checks import TagChecks

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation


def tables(read: Callable[[], Iterable[Note]], checks: TagChecks) -> dict[str, pl.DataFrame]:
    """Facts of gold notes; `read` is called three times."""
    note_rows, spans = facts.tables(read(), checks.patterns())
    training = note_rows.filter(pl.col("split").is_null() | (pl.col("split") != "test"))
    in_both = note_rows["group_id"].is_in(training["group_id"].unique().to_list()) & (
        note_rows["split"] == "test"
    )
    note_rows = note_rows.with_columns((~in_both.fill_null(False)).alias("group_apart"))
    return {"notes": note_rows, "spans": spans, **tag_checks.derived(spans, read, checks)}


def expectations(
    checks: TagChecks, present: Iterable[str], tagged: bool = True
) -> dict[str, list["Expectation"]]:
    """Suites by table; with an official split, leaks of groups or labels are warnings: nobody here can mend them.

    A corpus that declares no labels, `tagged` false, is one for the second branch.
    """
    import great_expectations.expectations as gxe

    suites = tag_checks.expectations(checks, present, tagged=tagged)
    suites["notes"].append(
        gxe.ExpectColumnValuesToBeInSet(
            column="group_apart",
            value_set=[True],
            severity="warning",
            description="no official test note has its group in training too",
        )
    )
    suites["labels"].append(
        gxe.ExpectColumnValuesToBeInSet(
            column="in_training",
            value_set=[True],
            severity="warning",
            description="labels of the official test part occur in training",
        )
    )
    return suites


def main() -> None:
    """The stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="name of the corpus in params.yaml")
    parser.add_argument("--notes", required=True, help="folder of the gold note table")
    parser.add_argument(
        "--report", required=True, help="JSON file for people: every expectation and what it found"
    )
    parser.add_argument(
        "--passed", required=True, help="file that exists only if no critical expectation failed"
    )
    parser.add_argument("--docs", help="also write Great Expectations' data docs to this folder")
    arguments = parser.parse_args()
    checks = params.load(TagChecks, "corpora.check")
    raw = load_params(arguments.corpus)
    tagged = isinstance(raw, Tagged) and bool(raw.label_map())
    found = tables(lambda: notes.read(arguments.notes), checks)
    suites = expectations(checks, found["labels"]["label"], tagged)
    if arguments.docs:
        gate.write_docs(found, suites, arguments.docs)
    gate.judge(gate.validate(found, suites), arguments.report, arguments.passed)


if __name__ == "__main__":
    run(main)
