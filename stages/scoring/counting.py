"""Counts of gold and predicted spans per note and label. Every score is a function of their sums."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from stages.notes import tags
from stages.notes.note_table import Note, Span

# Counted per note and label, under the gold span's label unless it is a prediction that is counted.
MEASURES = (
    "gold", "predicted",  # spans
    "hits", "located",  # gold spans that are predicted with the same offsets: with the same label, with any label
    "touched", "typed",  # gold spans that overlap a prediction: with any label, with their label
    "touching", "typing",  # predictions that overlap a gold span: with any label, with their label
    "hidden",  # gold spans of which no letter or digit stays visible
    "seen", "seen_hits",  # gold spans whose surface occurs in training, and the hits among them
    "gold_words", "predicted_words", "hit_words", "hidden_words",  # hidden: by a prediction with any label
    "gold_characters", "hidden_characters",
)  # fmt: skip
# Counted per note; clean: 1 if all gold spans are hidden; merged_*: see `_merged`.
NOTE_MEASURES = ("notes", "clean", "sentences", "merged_hits", "merged_extra", "merged_missed")

# The label that `confusion` gives a word outside all spans.
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

    def only(self, label: str) -> "Totals":
        """The totals of one label."""
        return Totals((label,), self.by_label[..., [self.labels.index(label)], :], self.by_note)

    def __getitem__(self, measure: str) -> np.ndarray:
        """One measure of all labels together, (...)."""
        if measure in NOTE_MEASURES:
            return self.by_note[..., NOTE_MEASURES.index(measure)]
        return self.of_labels(measure).sum(axis=-1)


Score = Callable[[Totals], np.ndarray]


@dataclass(frozen=True)
class Counts(Totals):
    """Counts of every note, not summed: the leading axis is the notes."""

    note_ids: tuple[str, ...]
    group_ids: tuple[str, ...]

    def total(self) -> Totals:
        """Return the sum over all notes."""
        return Totals(self.labels, self.by_label.sum(axis=0), self.by_note.sum(axis=0))

    def where(self, chosen: Sequence[bool]) -> "Counts":
        """Return the counts of the chosen notes."""
        rows = np.array(chosen, dtype=bool)
        names = (tuple(compress(ids, chosen)) for ids in (self.note_ids, self.group_ids))
        return Counts(self.labels, self.by_label[rows], self.by_note[rows], *names)


def count(pairs: Iterable[tuple[Note, Note]], seen: Collection[str] = frozenset()) -> Counts:
    """Return the counts of (gold, predicted) notes; `seen` holds the `surfaces` of the training notes.

    Raises ValueError if the two notes of a pair are not the same note.
    """
    notes, tallies, by_note = [], [], []
    for gold, predicted in pairs:
        if gold.note_id != predicted.note_id or gold.text != predicted.text:
            raise ValueError(f"notes {gold.note_id} and {predicted.note_id} are not the same note")
        tally = _tally(gold, predicted, seen)
        hidden = sum(number for (_, measure), number in tally.items() if measure == "hidden")
        merged = _merged(gold.text, gold.spans, predicted.spans)
        notes.append((gold.note_id, gold.group_id))
        tallies.append(tally)
        by_note.append((1, hidden == len(gold.spans), sentences(gold.text), *merged))
    labels = tuple(sorted({label for tally in tallies for label, _ in tally}))
    by_label = np.zeros((len(notes), len(labels), len(MEASURES)), dtype=np.int64)
    for row, tally in enumerate(tallies):
        for (label, measure), number in tally.items():
            by_label[row, labels.index(label), MEASURES.index(measure)] = number
    note_ids, group_ids = zip(*notes, strict=True) if notes else ((), ())
    return Counts(labels, by_label, np.array(by_note, int).reshape(-1, len(NOTE_MEASURES)), note_ids, group_ids)


def confusion(pairs: Iterable[tuple[Note, Note]]) -> Counter[tuple[str, str]]:
    """Return the number of words of (gold, predicted) notes by gold and predicted label, or OUTSIDE."""
    words = (labels for pair in pairs for labels in _word_labels(*pair))
    return Counter((true or OUTSIDE, guess or OUTSIDE) for true, guess in words)


def surfaces(training: Iterable[Note]) -> frozenset[str]:
    """Return the surface of every span of the training notes, as `count` expects them."""
    return frozenset(surface_key(note.surface(span)) for note in training for span in note.spans)


def surface_key(surface: str) -> str:
    """Return a surface without differences in case and in the amount of white space."""
    return " ".join(surface.split()).casefold()


def sentences(text: str) -> int:
    """Return the number of sentences: text with a letter or digit between line breaks and `.`, `!`, `?` or `…` before
    a space.

    MEDDOCAN's leak score counts the sentences of FreeLing's splitter, which are not published with the corpus. This
    function also splits after abbreviations, so our leak rates compare with each other, not with the shared task's.
    """
    return sum(any(map(str.isalnum, piece)) for piece in _SENTENCE_END.split(text))


def _tally(gold: Note, predicted: Note, seen: Collection[str]) -> Counter[tuple[str, str]]:
    """Return one note's counts by (label, measure)."""
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
        edges = span.start, span.end
        hit = label_at.get(edges) == span.label
        revealing = _revealing(gold.text, span)
        hidden = sum(covered[position] for position in revealing)
        known = surface_key(gold.surface(span)) in seen
        across = _overlapping(span, predicted.spans)
        measured = {"gold": 1, "hits": hit, "located": edges in label_at, "seen": known, "seen_hits": known and hit}
        measured |= {"touched": bool(across), "typed": span.label in across, "hidden": hidden == len(revealing)}
        measured |= {"gold_characters": len(revealing), "hidden_characters": hidden}
        tally.update({(span.label, measure): int(number) for measure, number in measured.items()})
    for (true, guess), number in Counter(_word_labels(gold, predicted)).items():
        if true:
            tally[true, "gold_words"] += number
            tally[true, "hit_words"] += number * (true == guess)
            tally[true, "hidden_words"] += number * bool(guess)
        if guess:
            tally[guess, "predicted_words"] += number
    return tally


def _word_labels(gold: Note, predicted: Note) -> Iterator[tuple[str, str]]:
    """Yield the gold and the predicted label of every word, "" for a word outside all spans."""
    edges = tags.word_offsets(gold.text)
    for true, guess in zip(tags.encode(gold.spans, edges), tags.encode(predicted.spans, edges), strict=True):
        yield true[2:], guess[2:]


def _overlapping(span: Span, others: Iterable[Span]) -> set[str]:
    """Return the labels of the spans that share a character with `span`."""
    return {other.label for other in others if span.start < other.end and other.start < span.end}


def _revealing(text: str, span: Span) -> list[int]:
    """Return the positions in a span that reveal something if visible: letters and digits, or all if it has none."""
    positions = range(span.start, span.end)
    return [position for position in positions if text[position].isalnum()] or list(positions)


def _merged(text: str, gold: Sequence[Span], predicted: Sequence[Span]) -> tuple[int, int, int]:
    """Return true positives, false positives and false negatives of MEDDOCAN's merged span score.

    Labels are ignored, and spans with no letter or digit between them are also compared as one merged span (Marimon
    et al. 2019). A true positive is a span or merged span with the same offsets on both sides; spans inside it are
    neither missed nor extra. So TP + FN is not the number of gold spans.
    """
    gold_edges, edges = ({(span.start, span.end) for span in spans} for spans in (gold, predicted))
    agreed = gold_edges & edges | _joined(text, gold_edges) & _joined(text, edges)
    extra, missed = (
        sum(not any(a <= start and end <= b for a, b in agreed) for start, end in side)
        for side in (edges, gold_edges)
    )
    return len(agreed), extra, missed


def _joined(text: str, edges: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(edges):
        if joined and not any(map(str.isalnum, text[joined[-1][1] : start])):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return set(joined)


def pool(parts: Sequence[Counts]) -> Counts:
    """Return the counts of several folds as one set of notes, with the labels of all."""
    labels, by_label = aligned(parts)
    by_note = np.concatenate([part.by_note for part in parts])
    note_ids = tuple(note_id for part in parts for note_id in part.note_ids)
    group_ids = tuple(group_id for part in parts for group_id in part.group_ids)
    return Counts(labels, np.concatenate(by_label), by_note, note_ids, group_ids)


def total(replicates: Sequence[Counts]) -> Totals:
    """Return totals with one leading axis, the replicates."""
    labels, by_label = aligned(replicates)
    by_note = np.stack([counts.by_note.sum(axis=0) for counts in replicates])
    return Totals(labels, np.stack([counted.sum(axis=0) for counted in by_label]), by_note)


def aligned(parts: Sequence[Counts]) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """Return the labels that any of `parts` has, sorted, and every `by_label` with a column for each of them."""
    labels = tuple(sorted({label for part in parts for label in part.labels}))
    wide = [np.zeros((len(part.note_ids), len(labels), len(MEASURES)), dtype=np.int64) for part in parts]
    for part, by_label in zip(parts, wide, strict=True):
        by_label[:, [labels.index(label) for label in part.labels]] = part.by_label
    return labels, wide
