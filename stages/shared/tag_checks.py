"""What both gates expect of tagged notes, gold or machine-made."""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Literal

import polars as pl
from pydantic import Field, field_validator

from stages.shared import facts
from stages.shared.notes import Note
from stages.shared.params import Section

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

Share = Annotated[float, Field(ge=0, le=1)]


class Format(Section):
    """What a label's surfaces look like."""

    pattern: str
    share: Share
    severity: Literal["warning", "critical"]

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression ({error})") from None
        return pattern


class TagChecks(Section):
    """Section `corpora.check`."""

    min_spans: Annotated[int, Field(ge=0)]
    whole_words: Share
    consistent: Share
    surface_characters: Annotated[int, Field(ge=1)]
    formats: dict[str, Format]

    def patterns(self) -> dict[str, str]:
        """Regular expressions by label."""
        return {label: entry.pattern for label, entry in self.formats.items()}


def derived(
    spans: pl.DataFrame, read: Callable[[], Iterable[Note]], checks: TagChecks
) -> dict[str, pl.DataFrame]:
    """The tables `labels` and `places` that `expectations` needs beside `notes` and `spans`."""
    return {"labels": facts.labels(spans), "places": facts.places(read, checks.surface_characters)}


def expectations(
    checks: TagChecks, present: Iterable[str], machine: bool = False, tagged: bool = True
) -> dict[str, list["Expectation"]]:
    """Suites by table, for the labels `present`. The tags of a machine miss formats as a warning only.

    With `tagged`, there must be a span.
    """
    import great_expectations.expectations as gxe
    from great_expectations.expectations.row_conditions import Column

    def true(column: str, meaning: str, **more: object) -> "Expectation":
        return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[True], description=meaning, **more)

    formats = [
        true(
            "well_formed",
            f"{label} looks like {label}",
            row_condition=Column("label") == label,
            mostly=checks.formats[label].share,
            severity="warning" if machine else checks.formats[label].severity,
        )
        for label in sorted(set(present) & set(checks.formats))
    ]
    return {
        "notes": [
            gxe.ExpectTableRowCountToBeBetween(min_value=1, description="there are notes"),
            gxe.ExpectColumnValuesToBeUnique(column="note_id", description="note ids are unique"),
        ],
        "spans": [
            gxe.ExpectTableRowCountToBeBetween(
                min_value=int(tagged),
                description="at least one note is tagged" if tagged else "no tags are needed",
            ),
            true("inside", "spans lie inside their notes"),
            true("apart", "spans do not overlap"),
            true("tight", "spans begin and end on something visible"),
            true("whole_words", "spans hold whole words", mostly=checks.whole_words, severity="warning"),
            *formats,
        ],
        "labels": [
            gxe.ExpectColumnValuesToBeBetween(
                column="spans",
                min_value=checks.min_spans,
                severity="warning",
                description="labels have enough spans",
            )
        ],
        "places": [
            true(
                "tagged",
                "what is tagged in one place is tagged in all",
                mostly=checks.consistent,
                severity="warning",
            )
        ],
    }
