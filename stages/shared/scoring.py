"""How much of the PII was found, and named right: counts per note and label, of which every score is a sum.

Scores are functions of `Totals`, whose leading axes (bootstrap samples, replicates) they keep: a bootstrap of 1,000
samples is one matrix product.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from pydantic import Field

from stages.shared import tags
from stages.shared.notes import Note, Span
from stages.shared.params import Section

# Counted per note and label. `gold`, `predicted`: spans; `hits`: same offsets and label; `located`: gold spans whose
# offsets are predicted under any label; `touched`, `typed`: gold spans that a prediction overlaps, one with their
# label; `touching`, `typing`: predictions that overlap a gold span, one with their label; `hidden`: gold spans of
# which no letter or digit stays visible; `seen`: gold spans whose surface occurs in training, `seen_hits` those of
# them found. The words and characters of a gold span are hidden when a prediction with any label covers them.
MEASURES = (
    "gold",
    "predicted",
    "hits",
    "located",
    "touched",
    "typed",
    "touching",
    "typing",
    "hidden",
    "seen",
    "seen_hits",
    "gold_words",
    "predicted_words",
    "hit_words",
    "hidden_words",
    "gold_characters",
    "hidden_characters",
)
# Counted per note. `clean`: 1 if all its gold spans are hidden; `merged_*`: see `_merged`.
NOTE_MEASURES = ("notes", "clean", "sentences", "merged_hits", "merged_extra", "merged_missed")

CONFIDENCE = 0.95
# How `confusion` calls a word of no span.
OUTSIDE = "O"

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|[\r\n]+")


@dataclass(frozen=True)
class Totals:
    """Counts summed over notes: `by_label` is (..., labels, MEASURES), `by_note` is (..., NOTE_MEASURES)."""

    labels: tuple[str, ...]
    by_label: np.ndarray
    by_note: np.ndarray

    def of_labels(self, measure: str) -> np.ndarray:
        """One measure, (..., labels)."""
        return self.by_label[..., MEASURES.index(measure)]

    def __getitem__(self, measure: str) -> np.ndarray:
        """One measure of all labels together, (...)."""
        if measure in NOTE_MEASURES:
            return self.by_note[..., NOTE_MEASURES.index(measure)]
        return self.of_labels(measure).sum(axis=-1)


@dataclass(frozen=True)
class Counts:
    """Counts of every note: `by_label` is (notes, labels, MEASURES), `by_note` is (notes, NOTE_MEASURES)."""

    note_ids: tuple[str, ...]
    group_ids: tuple[str, ...]
    labels: tuple[str, ...]
    by_label: np.ndarray
    by_note: np.ndarray

    def total(self) -> Totals:
        """The sum over all notes."""
        return Totals(self.labels, self.by_label.sum(axis=0), self.by_note.sum(axis=0))

    def without_groups(self, groups: Collection[str]) -> "Counts":
        """Only the notes whose group is not among `groups`."""
        kept = [row for row, group in enumerate(self.group_ids) if group not in groups]
        return Counts(
            tuple(self.note_ids[row] for row in kept),
            tuple(self.group_ids[row] for row in kept),
            self.labels,
            self.by_label[kept],
            self.by_note[kept],
        )


class Bootstrap(Section):
    """How intervals are drawn: a part of params sections."""

    samples: int = Field(ge=100)
    seed: int


class Estimate(NamedTuple):
    """A score and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def count(pairs: Iterable[tuple[Note, Note]], seen: Collection[str] = frozenset()) -> Counts:
    """Counts of (gold, predicted) notes; `seen` holds the `surfaces` of training.

    Raises ValueError if the two notes of a pair are not the same note.
    """
    note_ids, group_ids, tallies, by_note = [], [], [], []
    for gold, predicted in pairs:
        if gold.note_id != predicted.note_id or gold.text != predicted.text:
            raise ValueError(f"notes {gold.note_id} and {predicted.note_id} are not the same note")
        tally = _tally(gold, predicted, seen)
        found = sum(number for (_, measure), number in tally.items() if measure == "hidden")
        merged = _merged(gold.text, gold.spans, predicted.spans)
        note_ids.append(gold.note_id)
        group_ids.append(gold.group_id)
        tallies.append(tally)
        by_note.append((1, int(found == len(gold.spans)), sentences(gold.text), *merged))
    labels = sorted({label for tally in tallies for label, _ in tally})
    column = {label: number for number, label in enumerate(labels)}
    by_label = np.zeros((len(note_ids), len(labels), len(MEASURES)), dtype=np.int64)
    for row, tally in enumerate(tallies):
        for (label, measure), number in tally.items():
            by_label[row, column[label], MEASURES.index(measure)] = number
    notes = np.array(by_note, dtype=np.int64).reshape(-1, len(NOTE_MEASURES))
    return Counts(tuple(note_ids), tuple(group_ids), tuple(labels), by_label, notes)


def confused(
    pairs: Iterable[tuple[Note, Note]], found: Counter[tuple[str, str]]
) -> Iterator[tuple[Note, Note]]:
    """The pairs of (gold, predicted) notes as they are; `found` counts their words by (gold label, predicted label),
    OUTSIDE where there is none.
    """
    for gold, predicted in pairs:
        edges = tags.words(gold.text)
        both = zip(tags.encode(gold.spans, edges), tags.encode(predicted.spans, edges), strict=True)
        found.update((true[2:] or OUTSIDE, guess[2:] or OUTSIDE) for true, guess in both)
        yield gold, predicted


def surfaces(training: Iterable[Note]) -> frozenset[str]:
    """What `count` takes as seen: the surface of every span of the training notes."""
    return frozenset(surface_key(note.surface(span)) for note in training for span in note.spans)


def surface_key(surface: str) -> str:
    """What counts as the same surface: case and the amount of white space do not matter."""
    return " ".join(surface.split()).casefold()


def sentences(text: str) -> int:
    """Sentences: pieces with a letter or digit, cut at line breaks and after `.`, `!`, `?` or `…` before a space.

    MEDDOCAN's leak score counts the lines of a FreeLing splitting that is not published with the corpus; this cuts at
    abbreviations too, so our leak rates compare with each other, not with the shared task's.
    """
    return sum(any(map(str.isalnum, piece)) for piece in _SENTENCE_END.split(text))


def _tally(gold: Note, predicted: Note, seen: Collection[str]) -> Counter[tuple[str, str]]:
    """One note's counts by (label, measure)."""
    tally: Counter[tuple[str, str]] = Counter()
    label_at = {(span.start, span.end): span.label for span in predicted.spans}
    covered = bytearray(len(gold.text))
    for span in predicted.spans:
        across = _overlapping(span, gold.spans)
        tally[span.label, "predicted"] += 1
        tally[span.label, "touching"] += bool(across)
        tally[span.label, "typing"] += span.label in across
        covered[span.start : span.end] = b"\1" * (span.end - span.start)
    for span in gold.spans:
        hit = label_at.get((span.start, span.end)) == span.label
        told = _telling(gold.text, span)
        hidden = sum(covered[position] for position in told)
        known = surface_key(gold.surface(span)) in seen
        across = _overlapping(span, predicted.spans)
        for measure, number in (
            ("gold", 1),
            ("hits", hit),
            ("located", (span.start, span.end) in label_at),
            ("touched", bool(across)),
            ("typed", span.label in across),
            ("hidden", hidden == len(told)),
            ("seen", known),
            ("seen_hits", known and hit),
            ("gold_characters", len(told)),
            ("hidden_characters", hidden),
        ):
            tally[span.label, measure] += number
    edges = tags.words(gold.text)
    pairs = zip(tags.encode(gold.spans, edges), tags.encode(predicted.spans, edges), strict=True)
    for (true, guess), number in Counter((true[2:], guess[2:]) for true, guess in pairs).items():
        if true:
            tally[true, "gold_words"] += number
            tally[true, "hit_words"] += number * (true == guess)
            tally[true, "hidden_words"] += number * bool(guess)
        if guess:
            tally[guess, "predicted_words"] += number
    return tally


def _overlapping(span: Span, others: Iterable[Span]) -> set[str]:
    """Labels of the spans that share a character with this one."""
    return {other.label for other in others if span.start < other.end and other.start < span.end}


def _telling(text: str, span: Span) -> list[int]:
    """Positions of a span that give something away if left: letters and digits, or all where there are none."""
    positions = range(span.start, span.end)
    return [position for position in positions if text[position].isalnum()] or list(positions)


def _merged(text: str, gold: Sequence[Span], predicted: Sequence[Span]) -> tuple[int, int, int]:
    """True positives, false positives and false negatives of MEDDOCAN's merged span score; labels do not count.

    Spans with no letter or digit between them are also tried as one. A true positive is a span or a merged span with
    the same offsets on both sides; spans inside one are neither missed nor extra. So TP + FN is not the number of
    gold spans here.
    """
    gold_edges, edges = ({(span.start, span.end) for span in spans} for spans in (gold, predicted))
    agreed = gold_edges & edges | _joined(text, gold_edges) & _joined(text, edges)

    def outside(spans: set[tuple[int, int]]) -> int:
        return sum(not any(a <= start and end <= b for a, b in agreed) for start, end in spans)

    return len(agreed), outside(edges), outside(gold_edges)


def _joined(text: str, edges: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(edges):
        if joined and not any(map(str.isalnum, text[joined[-1][1] : start])):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return set(joined)


# Scores are functions of Totals. As in seqeval, one is 0 where only its own denominator is 0; it is undefined (nan)
# where there is neither gold nor prediction.


def precision(hits: np.ndarray, predicted: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Share of the predicted that is right."""
    return _ratio(hits, np.where((predicted == 0) & (gold > 0), 1, predicted))


def recall(hits: np.ndarray, predicted: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Share of the gold that is found."""
    return precision(hits, gold, predicted)


def f1(hits: np.ndarray, predicted: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall."""
    return _ratio(2 * hits, predicted + gold)


def strict_f1(totals: Totals) -> np.ndarray:
    """F1 of spans with the same offsets and label, all labels together."""
    return f1(totals["hits"], totals["predicted"], totals["gold"])


def label_f1(totals: Totals) -> np.ndarray:
    """Strict F1 of every label, (..., labels)."""
    return f1(*(totals.of_labels(measure) for measure in ("hits", "predicted", "gold")))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)


def harmonic(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """F1 of a precision and a recall whose hits are counted differently; 0 where both are."""
    total = precision + recall
    return np.where(total == 0, 0.0, _ratio(2 * precision * recall, total))


def _partial(totals: Totals, side: str, of: str, other: str) -> np.ndarray:
    """Credit of one side's spans: 1 with exact offsets, 1/2 with any overlap, whatever the label."""
    return precision((totals["located"] + totals[side]) / 2, totals[of], totals[other])


def partial_precision(totals: Totals) -> np.ndarray:
    """Share of the predictions that are right, those that only overlap a gold span by half (SemEval 2013, task 9)."""
    return _partial(totals, "touching", "predicted", "gold")


def partial_recall(totals: Totals) -> np.ndarray:
    """Share of the gold spans that are found, those that are only overlapped by half."""
    return _partial(totals, "touched", "gold", "predicted")


def _macro(totals: Totals) -> np.ndarray:
    by_label = label_f1(totals)
    defined = ~np.isnan(by_label)
    return _ratio(np.where(defined, by_label, 0).sum(axis=-1), defined.sum(axis=-1))


def _of(
    score: Callable[..., np.ndarray], hits: str, predicted: str, gold: str
) -> Callable[[Totals], np.ndarray]:
    return lambda totals: score(totals[hits], totals[predicted], totals[gold])


def _merged_score(score: Callable[..., np.ndarray]) -> Callable[[Totals], np.ndarray]:
    def of(totals: Totals) -> np.ndarray:
        hits = totals["merged_hits"]
        return score(hits, hits + totals["merged_extra"], hits + totals["merged_missed"])

    return of


# Every score by the name it has in metrics, tables and MLflow; docs/metrics.md says what each means.
SCORES: dict[str, Callable[[Totals], np.ndarray]] = {
    "strict_f1": strict_f1,
    "strict_precision": _of(precision, "hits", "predicted", "gold"),
    "strict_recall": _of(recall, "hits", "predicted", "gold"),
    "strict_f1_macro": _macro,
    "boundary_f1": _of(f1, "located", "predicted", "gold"),
    "boundary_precision": _of(precision, "located", "predicted", "gold"),
    "boundary_recall": _of(recall, "located", "predicted", "gold"),
    "partial_f1": lambda totals: harmonic(partial_precision(totals), partial_recall(totals)),
    "partial_precision": partial_precision,
    "partial_recall": partial_recall,
    "type_f1": lambda totals: harmonic(
        precision(totals["typing"], totals["predicted"], totals["gold"]),
        recall(totals["typed"], totals["predicted"], totals["gold"]),
    ),
    "type_precision": _of(precision, "typing", "predicted", "gold"),
    "type_recall": _of(recall, "typed", "predicted", "gold"),
    "merged_f1": _merged_score(f1),
    "merged_precision": _merged_score(precision),
    "merged_recall": _merged_score(recall),
    "token_f1": _of(f1, "hit_words", "predicted_words", "gold_words"),
    "token_precision": _of(precision, "hit_words", "predicted_words", "gold_words"),
    "token_recall": _of(recall, "hit_words", "predicted_words", "gold_words"),
    "blind_recall": _of(recall, "hidden_words", "predicted_words", "gold_words"),
    "blind_precision": _of(precision, "hidden_words", "predicted_words", "gold_words"),
    "blind_recall_characters": lambda totals: _ratio(totals["hidden_characters"], totals["gold_characters"]),
    "seen_recall": lambda totals: _ratio(totals["seen_hits"], totals["seen"]),
    "unseen_recall": lambda totals: _ratio(
        totals["hits"] - totals["seen_hits"], totals["gold"] - totals["seen"]
    ),
    "clean_notes": lambda totals: _ratio(totals["clean"], totals["notes"]),
    "leaks_per_note": lambda totals: _ratio(totals["gold"] - totals["hidden"], totals["notes"]),
    "leak_rate": lambda totals: _ratio(totals["gold"] - totals["hits"], totals["sentences"]),
}


def scores(totals: Totals) -> dict[str, float | None]:
    """Every score of a sum without further axes, rounded for a metrics file; None where undefined."""
    return {name: rounded(score(totals)) for name, score in SCORES.items()}


def by_label(totals: Totals) -> dict[str, dict[str, float | int | None]]:
    """Strict scores, label-blind recall and counts of every label."""
    result: dict[str, dict[str, float | int | None]] = {}
    for number, label in enumerate(totals.labels):
        own = dict(zip(MEASURES, (int(value) for value in totals.by_label[number]), strict=True))
        strict = own["hits"], own["predicted"], own["gold"]
        result[label] = {
            "f1": rounded(f1(*strict)),
            "precision": rounded(precision(*map(np.asarray, strict))),
            "recall": rounded(recall(*map(np.asarray, strict))),
            "blind_recall": rounded(_ratio(own["hidden_words"], own["gold_words"])),
            "leaks": own["gold"] - own["hidden"],
            **_errors(*strict),
        }
    return result


def counts(totals: Totals) -> dict[str, int]:
    """What the scores were computed from."""
    strict = [int(totals[measure]) for measure in ("hits", "predicted", "gold")]
    rest = [name for name in (*MEASURES, *NOTE_MEASURES) if name not in ("hits", "predicted", "gold")]
    return {**_errors(*strict), **{name: int(totals[name]) for name in rest}}


def rounded(value: float | np.ndarray) -> float | None:
    """Six digits, None for nan: what metrics files hold."""
    return None if np.isnan(value) else round(float(value), 6)


def _errors(hits: int, predicted: int, gold: int) -> dict[str, int]:
    return {
        "gold": gold,
        "predicted": predicted,
        "true_positives": hits,
        "false_positives": predicted - hits,
        "false_negatives": gold - hits,
    }


# A replicate is one set of predictions for all notes (of all folds): one seed. A score is the mean over replicates;
# its interval resamples whole groups of notes, the same ones in every replicate, and the replicates themselves.


def pool(parts: Sequence[Counts]) -> Counts:
    """The notes of several folds as one set, with the labels of all."""
    labels = _labels(parts)
    return Counts(
        tuple(note_id for part in parts for note_id in part.note_ids),
        tuple(group for part in parts for group in part.group_ids),
        labels,
        np.concatenate([_widened(part, labels) for part in parts]),
        np.concatenate([part.by_note for part in parts]),
    )


def total(replicates: Sequence[Counts]) -> Totals:
    """Totals with one leading axis, the replicates."""
    labels = _labels(replicates)
    return Totals(
        labels,
        np.stack([_widened(counts, labels).sum(axis=0) for counts in replicates]),
        np.stack([counts.by_note.sum(axis=0) for counts in replicates]),
    )


def resample(replicates: Sequence[Counts], bootstrap: Bootstrap) -> Totals:
    """Totals with leading axes (samples, replicates): each sample draws as many groups as there are, with repeats.

    The same seed draws the same groups for any arm and replicate scored on the same notes.
    """
    labels = _labels(replicates)
    by_label, by_note = _by_group(replicates, labels)
    weights = draws(len(by_note), bootstrap)
    return Totals(labels, np.tensordot(weights, by_label, 1), np.tensordot(weights, by_note, 1))


def _by_group(replicates: Sequence[Counts], labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Counts summed over the notes of each group: by label and by note, both (groups, replicates, ...)."""
    groups = {group: row for row, group in enumerate(sorted(set(replicates[0].group_ids)))}
    by_label = np.zeros((len(groups), len(replicates), len(labels), len(MEASURES)))
    by_note = np.zeros((len(groups), len(replicates), len(NOTE_MEASURES)))
    for number, counts in enumerate(replicates):
        rows = [groups[group] for group in counts.group_ids]
        np.add.at(by_label[:, number], rows, _widened(counts, labels))
        np.add.at(by_note[:, number], rows, counts.by_note)
    return by_label, by_note


def draws(groups: int, bootstrap: Bootstrap) -> np.ndarray:
    """How often every draw takes each group, (samples, groups); the same for the same number of groups and seed."""
    generator = np.random.default_rng(bootstrap.seed)
    drawn = generator.multinomial(groups, np.full(groups, 1 / groups), bootstrap.samples)
    # Floats, exact up to 2**53, because numpy multiplies integer matrices slowly.
    return drawn.astype(float)


def mean(score: Callable[[Totals], np.ndarray], replicates: Sequence[Counts]) -> np.ndarray:
    """A score averaged over replicates: a number, or one per label."""
    return score(total(replicates)).mean(axis=0)


def estimate(
    score: Callable[[Totals], np.ndarray], replicates: Sequence[Counts], bootstrap: Bootstrap
) -> Estimate:
    """A score averaged over replicates, with its interval."""
    drawn = over_replicates(score(resample(replicates, bootstrap)), bootstrap)
    return Estimate(float(mean(score, replicates)), *interval(drawn))


def difference(
    score: Callable[[Totals], np.ndarray],
    arm: Sequence[Counts],
    reference: Sequence[Counts],
    bootstrap: Bootstrap,
) -> Estimate:
    """`arm` minus `reference`, paired: every draw takes the same groups and replicates from both.

    Raises ValueError if the two were not scored on the same notes.
    """
    _require_same_notes(arm, reference)
    drawn = [over_replicates(score(resample(side, bootstrap)), bootstrap) for side in (arm, reference)]
    return Estimate(float(mean(score, arm) - mean(score, reference)), *interval(drawn[0] - drawn[1]))


def randomisation(
    score: Callable[[Totals], np.ndarray],
    arm: Sequence[Counts],
    reference: Sequence[Counts],
    bootstrap: Bootstrap,
) -> float:
    """Two-sided p of no difference, by approximate randomisation (Noreen 1989; Yeh 2000) over groups of notes.

    Each sample swaps the arms' predictions on a random half of the groups, in all replicates alike. The p-value
    counts how often that gives at least the difference that was found; it is never below 1 / (samples + 1).
    """
    _require_same_notes(arm, reference)
    labels = _labels([*arm, *reference])
    sides = [_by_group(side, labels) for side in (arm, reference)]
    generator = np.random.default_rng((bootstrap.seed, 2))
    kept = generator.integers(0, 2, (bootstrap.samples, len(sides[0][0]))).astype(float)

    def mixed(own: int) -> Totals:
        swapped = 1 - kept
        return Totals(
            labels,
            *(np.tensordot(kept, sides[own][part], 1) + np.tensordot(swapped, sides[1 - own][part], 1)
              for part in (0, 1)),
        )  # fmt: skip

    drawn = np.abs((score(mixed(0)) - score(mixed(1))).mean(axis=1))
    found = abs(float(mean(score, arm) - mean(score, reference)))
    # What rounding makes a hair smaller than what was found is as large.
    return (1 + int((drawn >= found - 1e-12).sum())) / (bootstrap.samples + 1)


def _require_same_notes(arm: Sequence[Counts], reference: Sequence[Counts]) -> None:
    if len({frozenset(counts.note_ids) for counts in (*arm, *reference)}) != 1:
        raise ValueError("the two arms were not scored on the same notes")


def over_replicates(drawn: np.ndarray, bootstrap: Bootstrap) -> np.ndarray:
    """Every sample's score, (samples,), from those of its replicates, (samples, replicates), drawn with repeats too.

    So an interval covers the choice of seeds as well as that of notes, as far as there are several.
    """
    number = drawn.shape[1]
    generator = np.random.default_rng((bootstrap.seed, 1))
    weights = generator.multinomial(number, np.full(number, 1 / number), len(drawn))
    # A score that is undefined in a replicate is so in the mean, if it takes part.
    return np.where(weights > 0, drawn * weights, 0.0).sum(axis=1) / number


def interval(drawn: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the draws; nan where none is defined."""
    if np.isnan(drawn).all():
        return np.nan, np.nan
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


def _labels(parts: Iterable[Counts]) -> tuple[str, ...]:
    return tuple(sorted({label for part in parts for label in part.labels}))


def _widened(counts: Counts, labels: tuple[str, ...]) -> np.ndarray:
    """`by_label` with a column for each of `labels`."""
    wide = np.zeros((len(counts.note_ids), len(labels), len(MEASURES)), dtype=np.int64)
    wide[:, [labels.index(label) for label in counts.labels]] = counts.by_label
    return wide
