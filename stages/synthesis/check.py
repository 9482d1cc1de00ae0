"""Stop on machine tags or invented text that no model should learn from. DVC stage synthesis_check."""

import argparse
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from stages.shared import facts, gate, ngrams, notes, params, tag_checks
from stages.shared.errors import UserError, run
from stages.shared.notes import Note
from stages.shared.params import Section
from stages.shared.tag_checks import Share, TagChecks

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

Positive = Annotated[int, Field(ge=1)]
TEXT = {
    # No earlier note has the same words; null for a note without words.
    "first_copy": pl.Boolean,
    # Share of the note's n-grams that stood earlier in it.
    "repeated": pl.Float64,
    # Share of the note's n-grams that stand in the notes read, and the longest run of words that does.
    "copied": pl.Float64,
    "longest_copy": pl.Int64,
}


class Params(Section):
    """Section `synthesis.check`."""

    stop: bool
    label_divergence: Share
    density_ratio: tuple[float, float]
    mean_confidence: Share
    low_confidence: Share
    low_quantile: Share
    without_pii: Share
    duplicates: Share
    words: tuple[int, int]
    repeated_ngram: Positive
    repeated: Share
    copied_ngram: Positive
    copied: Share
    longest_copy: Annotated[int, Field(ge=0)]
    mostly: Share

    @model_validator(mode="after")
    def _in_order(self) -> "Params":
        for key in ("density_ratio", "words"):
            low, high = getattr(self, key)
            if not 0 <= low <= high:
                raise ValueError(f"{key}: expected [lowest, highest]")
        return self


class TextFacts:
    """Facts of one invented note's text after another.

    Memory: 8 bytes per word of the notes read, and a number per note.
    """

    def __init__(self, read: Iterable[Note], settings: Params):
        self._settings = settings
        self._known = ngrams.distinct(
            [np.unique(ngrams.ngrams(ngrams.word_hashes(note.text), settings.copied_ngram)) for note in read]
        )
        self._seen: set[int] = set()

    def __call__(self, note: Note, edges: list[tuple[int, int]]) -> dict[str, Any]:
        hashes = ngrams.word_hashes(note.text, edges)
        size = self._settings.copied_ngram
        hits = ngrams.found(ngrams.ngrams(hashes, size), self._known)
        run_length = ngrams.longest_run(hits)
        inner = ngrams.ngrams(hashes, self._settings.repeated_ngram)
        return {
            "first_copy": self._is_new(hashes),
            "repeated": 1 - len(np.unique(inner)) / len(inner) if len(inner) else 0.0,
            "copied": float(hits.mean()) if len(hits) else 0.0,
            # Neighbouring n-grams may come from two notes, so this errs on the long side.
            "longest_copy": run_length + size - 1 if run_length else 0,
        }

    def _is_new(self, hashes: np.ndarray) -> bool | None:
        if not len(hashes):
            return None
        whole = ngrams.whole(hashes)
        new = whole not in self._seen
        self._seen.add(whole)
        return new


def tables(
    read_notes: Callable[[], Iterable[Note]],
    gold: Iterable[Note],
    read: Iterable[Note],
    settings: Params,
    checks: TagChecks,
) -> dict[str, pl.DataFrame]:
    """Facts of machine-tagged notes, with a table `corpus` of one row that sets them against `gold`.

    `read_notes` is called three times; `read` are the notes that the generator read.
    """
    gold_notes, gold_spans = facts.tables(gold, {})
    known = gold_spans["label"].unique().to_list()
    rows, spans = facts.tables(read_notes(), checks.patterns(), TextFacts(read, settings), TEXT)
    spans = spans.with_columns(pl.col("label").is_in(known).alias("known"))
    corpus = {
        "label_divergence": divergence(_counts(gold_spans), _counts(spans)),
        "density_ratio": _ratio(_density(rows), _density(gold_notes)),
    }
    return {
        "notes": rows,
        "spans": spans,
        "corpus": pl.DataFrame([corpus], schema={name: pl.Float64 for name in corpus}),
        **tag_checks.derived(spans, read_notes, checks),
    }


def divergence(one: Mapping[str, int], other: Mapping[str, int]) -> float | None:
    """Jensen-Shannon divergence in bits of two distributions given as counts; None if either is empty."""
    totals = sum(one.values()), sum(other.values())
    if not all(totals):
        return None
    result = 0.0
    for label in sorted(set(one) | set(other)):
        shares = one.get(label, 0) / totals[0], other.get(label, 0) / totals[1]
        middle = sum(shares) / 2
        result += sum(share / 2 * math.log2(share / middle) for share in shares if share)
    return result


def expectations(
    settings: Params, checks: TagChecks, present: Iterable[str]
) -> dict[str, list["Expectation"]]:
    """Suites by table: what gold is held to, and what only a machine gets wrong."""
    import great_expectations.expectations as gxe

    suites = tag_checks.expectations(checks, present, machine=True)
    fewest, most = settings.words

    def true(column: str, mostly: float, meaning: str) -> "Expectation":
        return gxe.ExpectColumnValuesToBeInSet(
            column=column, value_set=[True], mostly=mostly, description=meaning
        )

    def within(column: str, meaning: str, **more: Any) -> "Expectation":
        return gxe.ExpectColumnValuesToBeBetween(
            column=column, mostly=settings.mostly, description=meaning, **more
        )

    suites["notes"] += [
        true("has_pii", 1 - settings.without_pii, "notes hold PII"),
        true("first_copy", 1 - settings.duplicates, "notes are not exact repeats"),
        within("words", "notes are neither stubs nor endless", min_value=fewest, max_value=most),
        within("repeated", "notes do not repeat themselves", max_value=settings.repeated),
        within(
            "copied", "notes are not copied from notes that the generator read", max_value=settings.copied
        ),
        within(
            "longest_copy",
            "no long passage is copied from a note that the generator read",
            max_value=settings.longest_copy,
            severity="warning",
        ),
    ]
    suites["spans"] += [
        true("known", 1.0, "labels are known from gold"),
        gxe.ExpectColumnMeanToBeBetween(
            column="score", min_value=settings.mean_confidence, description="the tagger is confident"
        ),
        gxe.ExpectColumnQuantileValuesToBeBetween(
            column="score",
            quantile_ranges={
                "quantiles": [settings.low_quantile],
                "value_ranges": [[settings.low_confidence, None]],
            },
            severity="warning",
            description="the tagger's least certain spans are not guesses",
        ),
    ]
    low, high = settings.density_ratio
    suites["corpus"] = [
        gxe.ExpectColumnMeanToBeBetween(
            column="label_divergence",
            max_value=settings.label_divergence,
            description="labels are distributed as in gold",
        ),
        gxe.ExpectColumnMeanToBeBetween(
            column="density_ratio",
            min_value=low,
            max_value=high,
            description="spans are as dense as in gold",
        ),
    ]
    return suites


def main() -> None:
    """The stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", required=True, help="folder of the machine-tagged invented notes")
    parser.add_argument("--gold", required=True, help="folder of the notes that the annotator learnt from")
    parser.add_argument("--read", required=True, help="folder of the notes that the generator was adapted to")
    parser.add_argument("--report", required=True, help="JSON file for people: every expectation's finding")
    parser.add_argument("--passed", required=True, help="file that exists only if the branch may go on")
    parser.add_argument("--docs", help="also write Great Expectations' data docs to this folder")
    arguments = parser.parse_args()
    settings = params.load(Params, "synthesis.check")
    checks = params.load(TagChecks, "corpora.check")
    found = tables(
        lambda: notes.read(arguments.notes),
        notes.read(arguments.gold),
        notes.read(arguments.read),
        settings,
        checks,
    )
    suites = expectations(settings, checks, found["labels"]["label"])
    if arguments.docs:
        gate.write_docs(found, suites, arguments.docs)
    gate.judge(
        gate.validate(found, suites), arguments.report, arguments.passed, let_through=not settings.stop
    )


def _counts(spans: pl.DataFrame) -> dict[str, int]:
    return dict(spans.group_by("label").len().iter_rows())


def _density(rows: pl.DataFrame) -> float:
    total = rows["words"].sum()
    return rows["spans"].sum() / total if total else 0.0


def _ratio(machine: float, gold: float) -> float:
    if not gold:
        raise UserError("the annotator's notes hold no tags: raise corpora.share.annotator in params.yaml")
    return machine / gold


if __name__ == "__main__":
    run(main)
