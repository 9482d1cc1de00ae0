"""Stop on gold tags that cannot be trusted: a Great Expectations gate (DVC stage `corpora_check`)."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from stages.gates import facts, gate, tag_checks
from stages.gates.tag_checks import TagChecks
from stages.notes import ngrams, note_table
from stages.notes import public as public_texts
from stages.notes.labels import Labels
from stages.notes.note_table import Note, NoteTable
from stages.runtime.params import Root
from stages.runtime.stage import GateFile, InFolder, stage

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation


# A note is in a text if that has at least half of its 13-grams, or if it is as short and has the same words.
_WORDS, _SHARE = 13, 0.5


class Encoder(Root[dict[str, Any]]):
    """The corpus's base encoder, for the public text that it is made from."""

    at: ClassVar[str] = "catalog.{corpus}.encoder"


class Decoder(Root[dict[str, Any]]):
    """The corpus's base decoder, likewise."""

    at: ClassVar[str] = "catalog.{corpus}.decoder"


@stage("corpora.check")
def check(
    corpus: str,
    notes: NoteTable,
    public: InFolder,
    report: GateFile,
    passed: GateFile,
    checks: TagChecks,
    labels: Labels,
    encoder: Encoder,
    decoder: Decoder,
) -> str:
    """Stop on gold tags that cannot be trusted, or if base models learn from the notes that they are tested on.

    notes: the gold notes.
    public: folder of the public texts, for those that tokenizers and base models are made from.
    report: every expectation and what was found.
    passed: exists only if no critical expectation failed.
    """
    findings = gate.validate(*evidence(notes, public, checks, labels, encoder, decoder))
    gate.judge(findings, report, passed)
    return f"{sum(finding.success for finding in findings)} of {len(findings)} expectations are met"


def evidence(
    notes: Path, public: Path, checks: TagChecks, labels: Labels, encoder: Encoder, decoder: Decoder
) -> tuple[dict[str, pl.DataFrame], dict[str, list["Expectation"]]]:
    """The facts tables of gold notes and the suites of expectations about them, both by table."""
    import great_expectations.expectations as gxe

    found = tables(lambda: note_table.read(notes), checks)
    names = {name for base in (encoder.root, decoder.root) for name in base.get("text", ())}
    texts = public_texts.read(public_texts.folders(public, sorted(names)))
    inside = contained((note.text for note in note_table.read(notes)), (text.text for text in texts))
    found["notes"] = found["notes"].with_columns(text_apart=~pl.Series(inside, dtype=pl.Boolean))
    suites = expectations(checks, found["labels"]["label"], tagged=bool(labels.root))
    third_party = "no note is in the public text that the base models are made from"
    apart = gxe.ExpectColumnValuesToBeInSet(column="text_apart", description=third_party, value_set=[True])
    suites["notes"].append(apart)
    return found, suites


def contained(notes: Iterable[str], texts: Iterable[str]) -> list[bool]:
    """Whether each note is, in whole or by half of its 13-grams, in one of the texts or in several together.

    Memory: 8 bytes for each word of the notes, and of the texts.
    """
    known = ngrams.distinct([_grams(text) for text in texts])
    return [bool(len(found) and ngrams.found(found, known).mean() >= _SHARE) for found in map(_grams, notes)]


def _grams(text: str) -> np.ndarray:
    """The distinct 13-grams of a text; of a shorter one, all its words together."""
    hashes = ngrams.word_hashes(text)
    return np.unique(ngrams.ngrams(hashes, min(_WORDS, max(1, len(hashes)))))


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
