from collections import Counter

from stages.ner.confidence import Confidence, confident
from stages.notes.note_table import Note, Span


def test_an_unsure_span_drops_its_note():
    notes = [
        Note("a", "a", "Ana 1", (Span(0, 3, "N", 0.9),)),
        Note("b", "b", "Eva 2", (Span(0, 3, "N", 0.1),)),
        Note("c", "c", "nadie"),
        Note("d", "d", "Luis 3", (Span(0, 4, "N", 0.5),)),
    ]
    counts = Counter()
    kept = list(confident(notes, Confidence(confidence=0.5, drop="note"), counts))
    assert [note.note_id for note in kept] == ["a", "c", "d"]
    assert counts == {"notes": 3, "spans": 2, "dropped": 1}


def test_without_a_threshold_everything_is_kept():
    note = Note("a", "a", "Ana", (Span(0, 3, "N", 0.01),))
    counts = Counter()
    assert list(confident([note], Confidence(confidence=None, drop="note"), counts)) == [note]
    assert counts == {"notes": 1, "spans": 1}


def test_an_unsure_span_drops_its_line_and_the_other_spans_move():
    text = "Sra. Ana\nvive en Lugo,\ncalle Mayor\n7, con Eva\ny Luis"
    scores = {"Ana": 0.9, "Lugo": 0.2, "calle Mayor\n7": 0.9, "Eva": 0.3, "Luis": 0.8}
    spans = tuple(Span(text.index(word), text.index(word) + len(word), "N", score) for word, score in scores.items())
    counts = Counter()
    bare = Note("b", "b", "Eva", (Span(0, 3, "N", 0.1),))
    settings = Confidence(confidence=0.5, drop="line")
    (kept,) = confident([Note("a", "a", text, spans), bare], settings, counts)
    assert kept.text == "Sra. Ana\ny Luis"
    assert [(kept.surface(span), span.score) for span in kept.spans] == [("Ana", 0.9), ("Luis", 0.8)]
    # The street spans a line break, so its two lines count as one, and both are dropped with Eva.
    assert counts == {"notes": 1, "spans": 2, "dropped": 1, "lines": 3}
