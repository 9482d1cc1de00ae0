"""What the gates expect of tagged notes, gold or machine-tagged."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import polars as pl
from pydantic import Field

from stages.gates import facts
from stages.notes.note_table import Note
from stages.runtime.params import Pattern, Section, Share

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation


class Format(Section):
    """The format of the surfaces of a label."""

    pattern: Pattern
    """Regular expression that a whole surface must match."""
    share: Share
    """Smallest share of the surfaces that must match it."""
    severity: Literal["warning", "critical"]
    """Whether a smaller share is a warning or critical. For machine-made tags it is always a warning."""


class TagChecks(Section):
    """When the tags of notes are good enough to train on."""

    at: ClassVar[str] = "corpora.check"

    min_spans: int = Field(default=20, ge=0)
    """Fewest spans that each label should have; fewer are a warning."""
    whole_words: Share = 0.99
    """Smallest share of spans with word edges, the only ones that a tagger of words can find; less is a warning."""
    torn_words: Share = 0.5
    """Smallest share of spans with word edges that carelessness explains; with less, offsets are wrong: critical."""
    consistent: Share = 0.9
    """Smallest share that is tagged of the occurrences of all tagged surfaces; less is a warning."""
    surface_characters: int = Field(default=4, ge=1)
    """Characters of the shortest surface that `consistent` considers."""
    formats: dict[str, Format]
    """Formats by label. Labels that a corpus lacks are skipped; labels that are not named here are not checked."""

    def patterns(self) -> dict[str, str]:
        """Return the regular expressions by label."""
        return {label: entry.pattern for label, entry in self.formats.items()}


def derived(spans: pl.DataFrame, read: Callable[[], Iterable[Note]], checks: TagChecks) -> dict[str, pl.DataFrame]:
    """Return the tables `labels` and `places`, which `expectations` needs beside `notes` and `spans`."""
    return {"labels": facts.labels(spans), "places": facts.places(read, checks.surface_characters)}


def expectations(
    checks: TagChecks, present: Iterable[str], machine: bool = False, tagged: bool = True
) -> dict[str, list["Expectation"]]:
    """Return the suites by table, for the labels that are `present`.

    For the tags of a machine, formats are never critical. With `tagged`, there must be at least one span.
    """
    import great_expectations.expectations as gxe
    from great_expectations.expectations.row_conditions import Column

    def true(column: str, meaning: str, **more: Any) -> "Expectation":
        return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[True], description=meaning, **more)

    def rows(fewest: int, meaning: str) -> "Expectation":
        return gxe.ExpectTableRowCountToBeBetween(min_value=fewest, description=meaning)

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
    warning: Any = {"severity": "warning"}
    enough = gxe.ExpectColumnValuesToBeBetween(
        column="spans", min_value=checks.min_spans, description="labels have enough spans", **warning
    )
    everywhere = "a surface that is tagged once is tagged everywhere"
    return {
        "notes": [
            rows(1, "there are notes"),
            gxe.ExpectColumnValuesToBeUnique(column="note_id", description="note ids are unique"),
        ],
        "spans": [
            rows(int(tagged), "at least one note is tagged" if tagged else "no tags are needed"),
            true("inside", "spans lie inside their notes"),
            true("apart", "spans do not overlap"),
            true("tight", "spans neither begin nor end with white space"),
            true("whole_words", "spans cover whole words", mostly=checks.whole_words, **warning),
            true("whole_words", "offsets are not shifted", mostly=checks.torn_words),
            *formats,
        ],
        "labels": [enough],
        "places": [true("tagged", everywhere, mostly=checks.consistent, **warning)],
    }
