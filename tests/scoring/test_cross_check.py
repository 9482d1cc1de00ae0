from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.notes import tags
from stages.notes.note_table import Note, Span
from stages.scoring import counting, scores
from stages.scoring.cross_check import seqeval_report
from tests.scoring.examples import random_notes
from tests.scoring.test_scores import any_pair


@pytest.mark.parametrize("seed", range(3))
def test_the_report_has_our_strict_scores(seed):
    pairs = random_notes(seed)
    totals = counting.count(pairs).total()
    found = seqeval_report(pairs, totals)
    ours = scores.all_scores(totals)
    assert found["micro"] == {name: ours[f"strict_{name}"] for name in ("precision", "recall", "f1")} | {
        "support": totals["gold"]
    }
    assert found["macro"]["f1"] == ours["strict_f1_macro"]
    assert found["labels"] == {
        label: {name: row[name] for name in ("precision", "recall", "f1")} | {"support": row["gold"]}
        for label, row in scores.by_label(totals).items()
    }


def test_spans_inside_words_are_compared_exactly():
    text = "Annas bil"
    assert tags.word_offsets(text)[0] == (0, 5)
    gold = Note("n", "g", text, (Span(0, 4, "NAME"),))
    pairs = [(gold, replace(gold, spans=(Span(0, 5, "NAME"),)))]
    assert seqeval_report(pairs, counting.count(pairs).total())["micro"]["f1"] == 0
    assert seqeval_report([(gold, gold)], counting.count([(gold, gold)]).total())["micro"]["f1"] == 1


@settings(max_examples=100)
@given(st.lists(any_pair(), min_size=1, max_size=4))
def test_both_ways_agree_on_any_spans(pairs):
    seqeval_report(pairs, counting.count(pairs).total())


def test_without_a_span_there_is_nothing_to_report():
    notes = [(Note("n", "g", text),) * 2 for text in ("Sin datos.", "")]
    assert seqeval_report(notes, counting.count(notes).total()) == {"labels": {}, "micro": None, "macro": None}


def test_a_difference_names_the_label_and_both_numbers():
    pairs = random_notes(0)
    totals = counting.count(pairs).total()
    by_label = totals.by_label.copy()
    by_label[totals.labels.index("B"), counting.MEASURES.index("hits")] -= 1
    with pytest.raises(RuntimeError, match=r"^strict precision of B is 0\.\d{6} by our counts, 0\.\d{6} by seqeval$"):
        seqeval_report(pairs, replace(totals, by_label=by_label))
