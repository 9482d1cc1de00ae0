from dataclasses import replace

import pytest

from stages.notes import tags
from stages.notes.note_table import Note, Span
from stages.scoring import counting, scores
from tests.scoring.examples import AGE, CITY, GOLD, NAME, STREET, TEXT, ZIP, scored


def strict(totals):
    return tuple(int(totals[measure]) for measure in ("hits", "predicted", "gold"))


# name: predicted spans, (strict hits, predicted, gold), located, spans hidden, words (hit, predicted, gold, hidden)
SCENARIOS = {
    "all right": ((NAME, AGE, STREET, ZIP, CITY), (5, 5, 5), 5, 5, (10, 10, 10, 10)),
    "nothing predicted": ((), (0, 0, 5), 0, 0, (0, 0, 10, 0)),
    "wrong label still hides": (
        (NAME, AGE, STREET, replace(ZIP, label="AGE"), CITY),
        (4, 5, 5),
        5,
        5,
        (9, 10, 10, 10),
    ),
    "one span cut in two hides all but the hyphen": (
        (Span(4, 12, "NAME"), Span(13, 16, "NAME"), AGE, STREET, ZIP, CITY),
        (4, 6, 5),
        4,
        5,
        (9, 9, 10, 9),
    ),
    "too short leaves a surname": ((Span(4, 12, "NAME"), AGE, STREET, ZIP, CITY), (4, 5, 5), 4, 4, (8, 8, 10, 8)),
    "too long hides more": ((Span(0, 16, "NAME"), AGE, STREET, ZIP, CITY), (4, 5, 5), 4, 5, (10, 12, 10, 10)),
    "one span over two": ((NAME, AGE, STREET, Span(41, 53, "ZIP")), (3, 4, 5), 3, 5, (9, 10, 10, 10)),
    "a false alarm": ((NAME, AGE, STREET, ZIP, CITY, Span(55, 58, "PHONE")), (5, 6, 5), 5, 5, (10, 11, 10, 10)),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name):
    spans, expected, located, hidden, words = SCENARIOS[name]
    totals = scored(*spans)
    assert strict(totals) == expected
    assert totals["located"] == located
    assert totals["hidden"] == hidden
    names = ("hit_words", "predicted_words", "gold_words", "hidden_words")
    assert tuple(totals[measure] for measure in names) == words
    assert totals["clean"] == (hidden == 5)
    assert scores.SCORES["leaks_per_note"](totals) == 5 - hidden
    hits, predicted, gold = expected
    assert scores.SCORES["leak_rate"](totals) == pytest.approx((gold - hits) / 6)
    assert scores.strict_f1(totals) == 2 * hits / (predicted + gold)


def test_a_span_without_letters_or_digits_is_hidden_only_whole():
    note = Note("n", "g", "sexo: -+-", (Span(6, 9, "SEX"),))
    assert scored(Span(6, 8, "SEX"), gold=note)["hidden"] == 0
    assert scored(Span(6, 9, "AGE"), gold=note)["hidden"] == 1


# name: gold spans, predicted spans, (true positives, false positives, false negatives) of MEDDOCAN's script
MERGED = {
    "cut at a hyphen": ([(4, 16)], [(4, 12), (13, 16)], (1, 0, 0)),
    "one over two neighbours": ([(41, 46), (47, 53)], [(41, 53)], (1, 0, 0)),
    "a word between": ([(4, 7), (13, 16)], [(4, 16)], (0, 1, 2)),
    "same neighbours count three times": ([(41, 46), (47, 53)], [(41, 46), (47, 53)], (3, 0, 0)),
    "one end differs": ([(41, 46), (47, 53)], [(41, 46), (47, 50)], (1, 1, 1)),
}


@pytest.mark.parametrize("name", MERGED)
def test_merged_scores_are_those_of_meddocan(name):
    gold, predicted, expected = MERGED[name]
    note = Note("n", "g", TEXT, tuple(Span(*edges, "A") for edges in gold))
    totals = scored(*(Span(*edges, "B") for edges in predicted), gold=note)
    assert tuple(totals[measure] for measure in ("merged_hits", "merged_extra", "merged_missed")) == expected


@pytest.mark.parametrize(
    ("text", "sentences"),
    [("", 0), ("Una. Dos! ¿Tres? Fin", 4), ("a\n\nb\r\n---\nc", 3), ("3.5 mg", 1), ("Dr. Ruiz", 2)],
)
def test_sentences(text, sentences):
    assert counting.sentences(text) == sentences


def test_notes_must_be_the_same():
    with pytest.raises(ValueError, match="n1 and n2"):
        counting.count([(GOLD, replace(GOLD, note_id="n2"))])
    with pytest.raises(ValueError) as caught:
        counting.count([(GOLD, replace(GOLD, text=TEXT + "!"))])
    assert "Ana" not in str(caught.value)


def test_words_are_confused_by_label():
    guess = replace(GOLD, spans=(NAME, replace(AGE, label="ZIP"), Span(55, 58, "PHONE")))
    found = counting.confusion([(GOLD, guess), (GOLD, guess)])
    assert found["NAME", "NAME"] == 2 * 4
    assert found["AGE", "ZIP"] == 2 * 1
    assert found["O", "PHONE"] == 2 * 1
    assert sum(found.values()) == 2 * len(tags.word_offsets(GOLD.text))
    assert ("AGE", "AGE") not in found


def test_labels_of_one_part_only_are_kept_apart():
    one = counting.count([(GOLD, replace(GOLD, spans=(Span(0, 3, "TITLE"),)))])
    other = counting.count([(GOLD, GOLD)])
    totals = counting.total([one, other])
    assert totals.labels == ("AGE", "CITY", "NAME", "STREET", "TITLE", "ZIP")
    assert totals.of_labels("predicted").tolist() == [[0, 0, 0, 0, 1, 0], [1, 1, 1, 1, 0, 1]]
    assert totals.of_labels("gold").tolist() == [[1, 1, 1, 1, 0, 1]] * 2
