"""Notes that the tests of scoring share: one by hand, and random ones with every kind of mistake."""

from dataclasses import replace

import numpy as np

from stages.notes import tags
from stages.notes.note_table import Note, Span
from stages.scoring import counting

TEXT = "Dr. Ana Ruiz-Gil, 34 años. Calle Mayor 5\n28013 Madrid. Tel. 600-11"
NAME = Span(4, 16, "NAME")
AGE = Span(18, 20, "AGE")
STREET = Span(27, 40, "STREET")
ZIP = Span(41, 46, "ZIP")
CITY = Span(47, 53, "CITY")
GOLD = Note("n1", "g1", TEXT, (NAME, AGE, STREET, ZIP, CITY))


def scored(*spans: Span, gold: Note = GOLD, seen: frozenset[str] = frozenset()):
    """The totals of one note with these spans predicted."""
    return counting.count([(gold, replace(gold, spans=tuple(sorted(spans))))], seen).total()


def random_notes(seed: int, notes: int = 60) -> list[tuple[Note, Note]]:
    """Gold and predicted notes of invented words; a prediction is the gold with every kind of mistake."""
    rng = np.random.default_rng(seed)
    pairs = []
    for number in range(notes):
        text = " ".join(rng.choice(["uno", "dos", "Ana", "Ruiz-Gil", "28013", "12/3"], size=40))
        edges = tags.word_offsets(text)
        gold = random_spans(rng, edges, ["A", "B", "C"], 0.15)
        kept = [span for span in gold if rng.random() < 0.8]
        kept = [replace(span, label="C") if rng.random() < 0.2 else span for span in kept]
        free = [
            span
            for span in random_spans(rng, edges, ["A", "B", "D"], 0.05)
            if all(span.end <= other.start or other.end <= span.start for other in kept)
        ]
        note = Note(f"n{number}", f"g{number // 2}", text, tuple(gold))
        pairs.append((note, replace(note, spans=tuple(sorted(kept + free)))))
    return pairs


def random_spans(rng, edges, labels, density) -> list[Span]:
    spans, word = [], 0
    while word < len(edges):
        if rng.random() < density:
            last = min(word + int(rng.integers(1, 4)), len(edges)) - 1
            spans.append(Span(edges[word][0], edges[last][1], str(rng.choice(labels))))
            word = last
        word += 1
    return spans


def bio(pairs, side: int) -> list[list[str]]:
    return [tags.encode(pair[side].spans, tags.word_offsets(pair[side].text)) for pair in pairs]
