import tracemalloc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from stages.lm import models
from stages.ner import tagger as tagger_module
from stages.ner.tagger import SETTINGS, Tagger, label_probs
from stages.notes import tags
from stages.notes.note_table import Note
from stages.runtime.errors import UserError
from stages.runtime.outputs import write_json
from tests import tiny

NAMES = tags.tag_names(["AGE", "NAME"])
LENGTH, OVERLAP = 32, 8
TEXTS = [
    *tiny.texts(3),
    "",
    " ".join(tiny.texts(5)),
    " \r\n\t",
    "\ufeff\u200b",
    "\ufeffJose\u0301 👩🏽‍⚕️🩺\u00a0Gil\r\n\tقال 28036",
    "Ana",
]
NOTES = [Note(f"n{number}", "g", text) for number, text in enumerate(TEXTS)]
LONG = 4


@pytest.fixture(scope="module")
def tagger(encoder):
    """Random weights with a head wide enough that every tag is found."""
    torch.manual_seed(0)
    network = models.load_encoder(encoder, NAMES)
    torch.nn.init.normal_(network.classifier.weight, std=1.0)
    return Tagger(network, models.load_tokenizer(encoder), LENGTH, OVERLAP)


def edges_of(notes):
    return [[(span.start, span.end, span.label) for span in note.spans] for note in notes]


def scores_of(notes):
    return [span.score for note in notes for span in note.spans]


def touching(tagged):
    """How often a span goes on at the next word as another span of its label."""
    count = 0
    for note in tagged:
        for before, after in pairwise(note.spans):
            between = note.text[before.end : after.start]
            count += before.label == after.label and not between.strip()
    return count


def test_notes_come_back_in_order_with_scored_spans_at_word_edges(tagger):
    tagged = list(tagger.tag(NOTES))
    assert [replace(note, spans=()) for note in tagged] == NOTES
    assert {span.label for note in tagged for span in note.spans} == {"AGE", "NAME"}
    assert all(0 < score <= 1 for score in scores_of(tagged))
    assert len(set(scores_of(tagged))) > 10
    for note in tagged:
        starts, ends = zip(*tags.word_offsets(note.text), strict=True) if note.text.strip() else ((), ())
        assert all(span.start in starts and span.end in ends for span in note.spans)


def test_spans_do_not_depend_on_the_notes_tagged_together(tagger, monkeypatch):
    whole = list(tagger.tag(NOTES))
    single = [tagged for note in NOTES for tagged in tagger.tag([note])]
    monkeypatch.setattr(tagger_module, "NOTES", 2)
    monkeypatch.setattr(tagger_module, "TOKENS", 40)
    small = list(tagger.tag(iter(NOTES)))
    for other in (single, small):
        assert edges_of(other) == edges_of(whole)
        assert scores_of(other) == pytest.approx(scores_of(whole), abs=1e-4)


def test_a_long_note_is_read_to_its_end(tagger):
    long = NOTES[LONG]
    tokens = len(tagger.tokenizer(long.text)["input_ids"])
    assert tokens > 5 * LENGTH
    [edges], [table] = tagger.log_probs([long])
    assert np.exp(table).sum(axis=1) == pytest.approx(np.ones(len(edges)), abs=1e-4)
    tagged = next(tagger.tag([long]))
    assert min(span.start for span in tagged.spans) < len(long.text) * 0.1
    assert max(span.end for span in tagged.spans) > len(long.text) * 0.9


def test_a_word_is_scored_by_what_the_model_sees_in_its_window(tagger):
    """A note of one window, against the model called by hand."""
    text = "Nombre: Ana Ruiz."
    encoded = tagger.tokenizer(text, return_offsets_mapping=True, return_tensors="pt")
    with torch.inference_mode():
        logits = tagger.model(input_ids=encoded["input_ids"]).logits[0]
    first = [
        next(number for number, (_, end) in enumerate(encoded["offset_mapping"][0].tolist()) if end > start)
        for start, _ in tags.word_offsets(text)
    ]
    expected = logits.log_softmax(-1)[first].numpy()
    _, [_, table] = tagger.log_probs([NOTES[0], Note("n", "g", text)])
    assert table == pytest.approx(expected, abs=1e-4)


def test_one_long_note_costs_its_neighbours_no_memory(tagger):
    """Of 64 notes that are tagged together, one is 200 times as long as the others."""
    long, short = Note("l", "l", NOTES[0].text * 400), [Note("s", "s", NOTES[0].text * 2)] * 63

    def peak(notes):
        tracemalloc.start()
        tagged = list(tagger.sweep(notes, [{}] * 8))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak, tagged

    alone, [(expected, *_)] = peak([long])
    beside, tagged = peak([*short, long])
    assert beside < 1.5 * alone
    assert edges_of([tagged[63][0]]) == edges_of([expected])


@pytest.mark.parametrize("nothing", ["", " \r\n\t"])
def test_a_note_without_words_has_no_spans(tagger, nothing):
    empty = Note("e", "g", nothing)
    assert list(tagger.tag([empty])) == [empty]
    assert list(tagger.tag([])) == []


def test_a_bias_against_o_hides_more_words_of_its_label(tagger):
    plain, names, all_, none = zip(
        *tagger.sweep(NOTES, [{}, {"NAME": 3.0}, {"NAME": 100.0, "AGE": 100.0}, {"NAME": -100.0, "AGE": -100.0}]),
        strict=True,
    )
    assert list(plain) == list(tagger.tag(NOTES))

    def hidden(tagged, label):
        return sum(s.end - s.start for note in tagged for s in note.spans if s.label == label)

    assert hidden(names, "NAME") > hidden(plain, "NAME")
    assert hidden(names, "AGE") <= hidden(plain, "AGE")
    words = sum(end - start for note in NOTES for start, end in tags.word_offsets(note.text))
    assert hidden(all_, "NAME") + hidden(all_, "AGE") >= words
    assert hidden(none, "NAME") == hidden(none, "AGE") == 0
    # The bias affects which spans are found, but not their scores.
    kept = {(n.note_id, s.start, s.end, s.label): s.score for n in plain for s in n.spans}
    same = [(kept[key], s.score) for n in names for s in n.spans
            if (key := (n.note_id, s.start, s.end, s.label)) in kept]  # fmt: skip
    assert same and all(one == other for one, other in same)


def test_a_saved_tagger_loads_as_it_was(tagger, tmp_path):
    tagger.model.save_pretrained(tmp_path)
    tagger.tokenizer.save_pretrained(tmp_path)
    write_json(tmp_path / SETTINGS, {"length": LENGTH, "overlap": OVERLAP, "adjacent": 0.0})
    loaded = Tagger.load(tmp_path)
    assert loaded.names == NAMES
    assert edges_of(loaded.tag(NOTES)) == edges_of(tagger.tag(NOTES))
    write_json(tmp_path / SETTINGS, {"length": LENGTH, "overlap": OVERLAP, "adjacent": -100.0})
    assert touching(tagger.tag(NOTES)) > touching(Tagger.load(tmp_path).tag(NOTES)) == 0


def test_a_folder_without_a_trained_model_is_an_error_of_the_user(encoder, tmp_path):
    for folder in (tmp_path / "missing", encoder):  # a base encoder is no tagger
        with pytest.raises(UserError, match="no model trained by ner_train here"):
            Tagger.load(folder)


def test_a_word_s_probability_is_that_of_its_label_as_begin_or_inside():
    table = np.log(np.array([[0.1, 0.3, 0.4, 0.15, 0.05], [0.7, 0.1, 0.1, 0.05, 0.05]]))
    assert label_probs(table, np.array([1, 0])) == pytest.approx(np.array([0.7, 0.7]))
    assert label_probs(table, np.array([2, 3])) == pytest.approx(np.array([0.7, 0.1]))
