"""The strict scores as seqeval computes them, and the check that they equal ours."""

import math
import warnings
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from stages.notes import tags
from stages.notes.note_table import Note
from stages.scoring import scores
from stages.scoring.counting import Totals

# What seqeval calls each score.
PARTS = {"precision": "precision", "recall": "recall", "f1": "f1-score"}


def seqeval_report(pairs: Iterable[tuple[Note, Note]], totals: Totals) -> dict[str, Any]:
    """Return the strict classification report of seqeval on (gold, predicted) notes.

    seqeval (Nakayama 2018) is run in strict mode with the IOB2 scheme on words; a word that a span of either side
    begins or ends in is cut there, because spans count with their exact offsets. `labels` has precision, recall, F1
    and support (gold spans) of each label, `micro` and `macro` their averages, rounded to six digits.

    Raises RuntimeError if micro or per-label precision, recall or F1 differ from those of `totals`, our counts of
    the same notes.
    """
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    gold, predicted = [], []
    for true, guess in pairs:
        words = _words(true, guess)
        gold.append(tags.encode(true.spans, words))
        predicted.append(tags.encode(guess.spans, words))
    if not any(tag != "O" for note in (*gold, *predicted) for tag in note):
        return {"labels": {}, "micro": None, "macro": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about labels that one side lacks; their score is 0
        report = classification_report(gold, predicted, output_dict=True, mode="strict", scheme=IOB2, zero_division=0)
    compared = {label: (report[label], totals.only(label)) for label in totals.labels}
    for label, (theirs, ours) in {**compared, "all labels": (report["micro avg"], totals)}.items():
        for part, name in PARTS.items():
            score = float(scores.SCORES[f"strict_{part}"](ours))
            if not math.isclose(score, theirs[name], abs_tol=1e-9):
                raise RuntimeError(
                    f"strict {part} of {label} is {score:.6f} by our counts, {theirs[name]:.6f} by seqeval"
                )
    labels = {label: _row(report[label]) for label in totals.labels}
    return {"labels": labels, "micro": _row(report["micro avg"]), "macro": _row(report["macro avg"])}


def _words(gold: Note, predicted: Note) -> list[tuple[int, int]]:
    """Consecutive pieces of the whole text, cut at the edges of words and of all spans."""
    edges = {0, len(gold.text), *(edge for word in tags.word_offsets(gold.text) for edge in word)}
    edges |= {edge for span in (*gold.spans, *predicted.spans) for edge in (span.start, span.end)}
    return list(pairwise(sorted(edges)))


def _row(row: dict[str, float]) -> dict[str, float | int | None]:
    return {part: scores.rounded(row[name]) for part, name in PARTS.items()} | {"support": int(row["support"])}
