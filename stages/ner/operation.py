"""Recall-first operation: how much more is hidden when the decoder prefers a label to O, and at what price.

A threshold on finished spans can only delete them; a bias inside the constrained decoder finds more (METHOD, part 3).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from stages.ner.model import Tagger
from stages.shared import scoring
from stages.shared.notes import Note, batched
from stages.shared.params import Section
from stages.shared.scoring import Counts

# Scores of a point of the curve; the rest of blind_precision is what is hidden without need.
CURVE = (
    "strict_precision",
    "strict_recall",
    "blind_recall",
    "blind_precision",
    "clean_notes",
    "leaks_per_note",
)
# Notes whose versions are in memory at once.
_NOTES = 512
_BINS = 10


class RecallFirst(Section):
    """How biases are chosen on the select notes."""

    # Smallest share of a label's PII words that must be hidden there.
    hidden: float = Field(gt=0, le=1)
    # What is tried, in nats.
    biases: list[float] = Field(min_length=1)
    # Labels with fewer gold spans there share one bias.
    spans: int = Field(ge=1)


def sweep(
    tagger: Tagger, notes: Iterable[Note], biases: Sequence[Mapping[str, float]], found: list[Counts]
) -> Iterator[Note]:
    """Gold notes as the first bias tags them, streamed; at the end `found` holds the counts with each bias."""
    parts: list[list[Counts]] = [[] for _ in biases]
    for chunk in batched(notes, _NOTES):
        versions = list(zip(*tagger.sweep(chunk, biases), strict=True))
        for part, tagged in zip(parts, versions, strict=True):
            part.append(scoring.count(zip(chunk, tagged, strict=True)))
        yield from versions[0]
    found += [scoring.pool(part or [scoring.count(())]) for part in parts]


def uniform(labels: Iterable[str], bias: float) -> dict[str, float]:
    """One bias for all labels."""
    return dict.fromkeys(sorted(labels), bias)


def choose(
    labels: Sequence[str], biases: Sequence[float], counts: Sequence[Counts], settings: RecallFirst
) -> dict[str, float]:
    """For every label of the model the smallest bias that hides enough of its words; the largest if none does, 0 if
    the notes have no word of it.

    `counts` are those of the select notes with each of `biases` for all labels. A label is judged on its own words,
    which a prediction of any label hides; labels with few spans are judged together.
    """
    totals = [count.total() for count in counts]
    gold = dict(zip(totals[0].labels, totals[0].of_labels("gold"), strict=True))
    few = {label for label in labels if gold.get(label, 0) < settings.spans}

    def smallest(of: set[str]) -> float:
        for bias, total in sorted(zip(biases, totals, strict=True), key=lambda pair: pair[0]):
            rows = [row for row, label in enumerate(total.labels) if label in of]
            words, hidden = (total.of_labels(name)[rows].sum() for name in ("gold_words", "hidden_words"))
            if not words:
                return 0.0
            if hidden / words >= settings.hidden:
                return bias
        return max(biases)

    pooled = smallest(few)
    return {label: pooled if label in few else smallest({label}) for label in sorted(labels)}


def point(bias: float | None, counts: Counts) -> dict[str, float | None]:
    """One point of the curve."""
    totals = counts.total()
    return {"bias": bias, **{name: scoring.rounded(scoring.SCORES[name](totals)) for name in CURVE}}


def calibration(pairs: Iterable[tuple[Note, Note]]) -> dict[str, Any]:
    """How often spans of a score are right (offsets and label), in ten bins, and the expected calibration error.

    That is the distance between a bin's mean score and its share of right spans, averaged over spans (Naeini 2015).
    """
    scores, right = [], []
    for gold, predicted in pairs:
        edges = {(span.start, span.end, span.label) for span in gold.spans}
        for span in predicted.spans:
            scores.append(span.score)
            right.append((span.start, span.end, span.label) in edges)
    values, hits = np.array(scores, dtype=float), np.array(right, dtype=float)
    place = np.minimum((values * _BINS).astype(int), _BINS - 1)
    bins = [
        {
            "from": number / _BINS,
            "spans": int(inside.sum()),
            "score": scoring.rounded(values[inside].mean()),
            "right": scoring.rounded(hits[inside].mean()),
        }
        for number in range(_BINS)
        if (inside := place == number).any()
    ]
    error = (
        sum(row["spans"] * abs(row["score"] - row["right"]) for row in bins) / len(values) if bins else np.nan
    )
    return {"error": scoring.rounded(error), "bins": bins}
