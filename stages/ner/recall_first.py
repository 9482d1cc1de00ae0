"""The recall-first operating point: how much more PII is hidden when decoding prefers labels to O, and at what cost.

A threshold on finished spans can only delete spans. A bias that is added to a label's log-probabilities before
constrained decoding finds more (docs/method.md, section 3).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import Field

from stages.ner.tagger import Tagger
from stages.notes.note_table import Note, batched
from stages.runtime.params import Section
from stages.scoring import counting, scores

# Scores of an operating point. 1 - blind_precision is the share of the hidden words that need not be hidden.
CURVE = ("strict_precision", "strict_recall", "blind_recall", "blind_precision", "clean_notes", "leaks_per_note")
# Notes whose tagged versions are in memory at once.
_NOTES = 512


class RecallFirst(Section):
    """How the biases are chosen on the select notes."""

    hidden: float = Field(gt=0, le=1)
    """Share of a label's PII words on the select notes that the chosen bias must hide."""
    biases: list[float] = Field(default=[1.0, 2.0, 3.0, 4.0, 6.0, 8.0], min_length=1)
    """Biases to try besides 0, in nats."""
    spans: int = Field(default=150, ge=1)
    """Labels with fewer gold spans in the select notes share one bias, because their own shares would be noise."""


def sweep(
    tagger: Tagger, notes: Iterable[Note], biases: Sequence[Mapping[str, float]], found: list[counting.Counts]
) -> Iterator[Note]:
    """Yield the gold notes as tagged with the first of `biases`; at the end extend `found` by the counts of each."""
    parts: list[list[counting.Counts]] = [[] for _ in biases]
    for chunk in batched(notes, _NOTES):
        versions = list(zip(*tagger.sweep(chunk, biases), strict=True))
        for part, tagged in zip(parts, versions, strict=True):
            part.append(counting.count(zip(chunk, tagged, strict=True)))
        yield from versions[0]
    found += [counting.pool(part or [counting.count(())]) for part in parts]


def choose(
    labels: Sequence[str], biases: Sequence[float], counts: Sequence[counting.Counts], settings: RecallFirst
) -> dict[str, float]:
    """Return, for every label of the model, the smallest of `biases` that hides enough of its words.

    `counts` are those of the select notes with each of `biases` for all labels; a word of the label is hidden by a
    prediction of any label. Labels with few spans are pooled. The largest bias is taken if none hides enough, and 0
    if the notes have no word of the label. As 0 is one of `biases`, a model that hides enough words as it is keeps
    its default operating point.
    """
    totals = [count.total() for count in counts]
    gold = dict(zip(totals[0].labels, totals[0].of_labels("gold"), strict=True))
    few = {label for label in labels if gold.get(label, 0) < settings.spans}

    def smallest(chosen: set[str]) -> float:
        for bias, total in sorted(zip(biases, totals, strict=True), key=lambda pair: pair[0]):
            rows = [row for row, label in enumerate(total.labels) if label in chosen]
            words, hidden = (total.of_labels(name)[rows].sum() for name in ("gold_words", "hidden_words"))
            if not words:
                return 0.0
            if hidden / words >= settings.hidden:
                return bias
        return max(biases)

    pooled = smallest(few)
    return {label: pooled if label in few else smallest({label}) for label in sorted(labels)}


def point(bias: float | None, counts: counting.Counts) -> dict[str, float | None]:
    """One operating point, with the scores of `CURVE`; its bias is None where labels have biases of their own."""
    totals = counts.total()
    return {"bias": bias, **{name: scores.rounded(scores.SCORES[name](totals)) for name in CURVE}}
