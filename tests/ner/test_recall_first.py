from dataclasses import replace

from stages.ner import recall_first
from stages.ner.recall_first import RecallFirst
from stages.notes.note_table import Note, Span
from stages.scoring import counting

TEXT = "Ana Gil, Lugo, 42"
NAME, CITY, AGE = Span(0, 7, "NAME"), Span(9, 13, "CITY"), Span(15, 17, "AGE")
GOLD = Note("n", "g", TEXT, (NAME, CITY, AGE))
# What is found with a bias of 0, 1, 2: first the surname is missed, the city to the last.
FOUND = [(Span(0, 3, "NAME"), AGE), (NAME, AGE), (NAME, replace(CITY, label="NAME"), AGE)]
BIASES = (0.0, 1.0, 2.0)


def counts():
    return [counting.count([(GOLD, replace(GOLD, spans=spans))]) for spans in FOUND]


def chosen(hidden=0.99, spans=1, labels=("AGE", "CITY", "NAME")):
    settings = RecallFirst(hidden=hidden, biases=[1, 2], spans=spans)
    return recall_first.choose(labels, BIASES, counts(), settings)


def test_each_label_gets_the_smallest_bias_that_hides_its_words():
    assert chosen() == {"AGE": 0, "CITY": 2, "NAME": 1}
    assert chosen(hidden=0.5) == {"AGE": 0, "CITY": 2, "NAME": 0}


def test_labels_with_few_spans_share_one():
    # Of their four words 2, 3, 4 are hidden.
    assert chosen(spans=2) == {"AGE": 2, "CITY": 2, "NAME": 2}
    assert chosen(spans=2, hidden=0.75) == {"AGE": 1, "CITY": 1, "NAME": 1}


def test_what_no_bias_hides_takes_the_largest_and_what_is_unknown_none():
    missed = [counting.count([(GOLD, replace(GOLD, spans=()))])] * 3
    settings = RecallFirst(hidden=0.9, biases=[1, 2], spans=1)
    assert recall_first.choose(["NAME", "PHONE"], BIASES, missed, settings) == {"NAME": 2, "PHONE": 0}
    nothing = [counting.count(())] * 3
    assert recall_first.choose(["NAME"], BIASES, nothing, settings) == {"NAME": 0}


class Fake:
    def sweep(self, notes, biases):
        for note in notes:
            yield tuple(replace(note, spans=FOUND[int(bias["NAME"])]) for bias in biases)


def test_a_sweep_streams_the_first_and_counts_all(monkeypatch):
    monkeypatch.setattr(recall_first, "_NOTES", 2)
    gold = [replace(GOLD, note_id=str(number)) for number in range(5)]
    found = []
    tagged = list(recall_first.sweep(Fake(), iter(gold), [{"NAME": bias} for bias in BIASES], found))
    assert [note.spans for note in tagged] == [FOUND[0]] * 5
    assert [note.note_id for note in tagged] == list("01234")
    assert [int(count.total()["hidden_words"]) for count in found] == [10, 15, 20]


def test_a_model_that_hides_enough_without_a_bias_keeps_its_default():
    """So the two operating points of an arm can be the same."""
    gold = [counting.count([(GOLD, GOLD)])] * 3
    settings = RecallFirst(hidden=0.99, biases=[1, 2], spans=150)
    assert recall_first.choose(["AGE", "CITY", "NAME"], BIASES, gold, settings) == {"AGE": 0, "CITY": 0, "NAME": 0}
