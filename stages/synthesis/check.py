"""Stop on machine tags or invented text that no model should be trained on (DVC stage `synthesis_check`)."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl

from stages.gates import facts, gate, tag_checks
from stages.gates.tag_checks import TagChecks
from stages.notes import ngrams, note_table
from stages.notes.note_table import Note, NoteTable
from stages.runtime.errors import UserError
from stages.runtime.stage import GateFile, stage
from stages.synthesis import expectations
from stages.synthesis.copies import Copies, RealNotes
from stages.synthesis.expectations import Check

# What `TextFacts` measures of an invented note's text.
TEXT_FACTS = {
    # Whether no earlier note has the same words; null for a note without words.
    "first_copy": pl.Boolean,
    # Share of the note's n-grams that occur earlier in it.
    "repeated": pl.Float64,
    # Share of the note's n-grams that occur in the notes read, and the longest run of words that does.
    "copied": pl.Float64,
    "longest_copy": pl.Int64,
}


@stage("synthesis.check")
def check(
    corpus: str,
    fold: int,
    seed: int,
    notes: NoteTable,
    gold: NoteTable,
    read: NoteTable,
    report: GateFile,
    passed: GateFile,
    settings: Check,
    copies: Copies,
    checks: TagChecks,
) -> str:
    """Stop on machine tags or invented text that no model should be trained on.

    notes: the machine-tagged invented notes.
    gold: the notes that the annotator was trained on.
    read: the notes that the generator was adapted to.
    report: JSON with the finding of every expectation.
    passed: exists only if the pipeline may go on.
    """
    findings = gate.validate(*evidence(notes, gold, read, settings, copies, checks))
    gate.judge(findings, report, passed, let_through=not settings.stop)
    return f"{sum(finding.success for finding in findings)} of {len(findings)} expectations are met"


def evidence(
    notes: Path, gold: Path, read: Path, settings: Check, copies: Copies, checks: TagChecks
) -> tuple[Any, Any]:
    """Return the facts tables of the stage's inputs and the expectations on them, both by table."""
    measure = TextFacts(RealNotes(note_table.read(read), copies), settings)
    found = tables(lambda: note_table.read(notes), note_table.read(gold), measure, checks)
    return found, expectations.suites(settings, copies, checks, found["labels"]["label"])


def tables(
    read_notes: Callable[[], Iterable[Note]], gold: Iterable[Note], measure: "TextFacts", checks: TagChecks
) -> dict[str, pl.DataFrame]:
    """Return facts of machine-tagged notes; the one row of the table `corpus` compares them with `gold`.

    `read_notes` is called three times.
    """
    gold_notes, gold_spans = facts.tables(gold, {})
    known = gold_spans["label"].unique().to_list()
    rows, spans = facts.tables(read_notes(), checks.patterns(), measure, TEXT_FACTS)
    spans = spans.with_columns(pl.col("label").is_in(known).alias("known"))
    machine, human = (int(notes["spans"].sum()) / max(1, int(notes["words"].sum())) for notes in (rows, gold_notes))
    if not human:
        raise UserError("the annotator's notes hold no tags: raise corpora.share.annotator in params.yaml")
    corpus = {"label_divergence": divergence(gold_spans["label"], spans["label"]), "density_ratio": machine / human}
    return {
        "notes": rows,
        "spans": spans,
        "corpus": pl.DataFrame([corpus], schema={name: pl.Float64 for name in corpus}),
        **tag_checks.derived(spans, read_notes, checks),
    }


def divergence(gold: Iterable[str], machine: Iterable[str]) -> float | None:
    """Return the Jensen-Shannon divergence, in bits, of the distributions of labels; None if there are none."""
    one, other = Counter(gold), Counter(machine)
    if not one or not other:
        return None
    result = 0.0
    for label in sorted({*one, *other}):
        shares = one[label] / one.total(), other[label] / other.total()
        middle = sum(shares) / 2
        result += sum(share / 2 * math.log2(share / middle) for share in shares if share)
    return result


class TextFacts:
    """Measures one invented note after another; `real` are the notes that the generator read.

    Memory: that of `real`, and a number per invented note.
    """

    def __init__(self, real: RealNotes, settings: Check) -> None:
        self._real, self._repeated = real, settings.repeated_ngram
        self._seen: set[int] = set()

    def __call__(self, note: Note, edges: list[tuple[int, int]]) -> dict[str, Any]:
        """Return the facts of `TEXT_FACTS` for a note whose words have these (start, end)."""
        hashes = ngrams.word_hashes(note.text, edges)
        copied, longest_copy = self._real.measure(hashes)
        whole = ngrams.whole(hashes)
        first_copy = whole not in self._seen if len(hashes) else None
        self._seen.add(whole)
        return {
            "first_copy": first_copy,
            "repeated": ngrams.repeated(hashes, self._repeated),
            "copied": copied,
            "longest_copy": longest_copy,
        }


if __name__ == "__main__":
    check.main()
