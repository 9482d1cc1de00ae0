from types import SimpleNamespace

import numpy as np
import pytest

from stages.lm import models, training
from stages.ner import windows
from stages.ner.examples import Examples, tokenise
from stages.notes import tags
from stages.notes.note_table import Note, Span
from tests import tiny
from tests.ner.conftest import NOTES, make_tokenizer, tagged


@pytest.mark.parametrize("kind", ["modernbert", "bert"])
def test_labels_stand_at_first_subwords_only_each_word_once(kind, tmp_path):
    tokenizer, names = make_tokenizer(kind), tags.tag_names(["AGE", "NAME"])
    learned = [*NOTES[:3], *tagged([" ".join(tiny.texts(6))])]
    examples = tokenise(learned, tokenizer, names, 48, 16, tmp_path)
    cut = windows.cut(learned, tokenizer, 48, 16).windows
    assert len(examples) == len(cut) > 6
    found: dict[int, list[str]] = {number: [] for number in range(len(learned))}
    for example, window in zip(examples, cut, strict=True):
        labels = example["labels"]
        assert example["input_ids"].tolist() == window.input_ids
        assert len(labels) == len(window.input_ids)
        assert set(np.flatnonzero(labels != training.IGNORED)) == set(window.positions)
        found[window.note] += [names[label] for label in labels[labels != training.IGNORED]]
    # In these notes no subword covers two words, so the windows' labels are the notes' tags.
    expected = [tags.encode(note.spans, tags.word_offsets(note.text)) for note in learned]
    merged = sum(len(window.positions) - len(set(window.positions)) for window in cut)
    assert merged == 0
    assert list(found.values()) == expected


def test_of_words_that_share_a_subword_the_first_ones_tag_counts(monkeypatch, tmp_path):
    window = windows.Window(0, [1, 7, 8, 2], np.array([0, 1, 2]), np.array([1, 1, 2]))
    edges = [(0, 1), (1, 2), (2, 3)]
    monkeypatch.setattr(windows, "cut", lambda *_: windows.Cut([edges], [window]))
    note = Note("n", "g", "(+3", (Span(1, 3, "A"),))
    (example,) = tokenise([note], None, tags.tag_names("A"), 48, 16, tmp_path)
    assert example["labels"].tolist() == [training.IGNORED, 0, 2, training.IGNORED]


def test_windows_in_which_no_word_begins_are_not_trained_on(modernbert, tmp_path):
    text = "Ana" + " \n\t" * 200 + "Gil"
    tokenizer = models.load_tokenizer(modernbert)
    examples = tokenise(tagged([text]), tokenizer, tags.tag_names(["NAME"]), 48, 16, tmp_path)
    assert [int((example["labels"] != training.IGNORED).sum()) for example in examples] == [1, 1]


def examples_of(lengths, batch, total, seed=1):
    """Examples that consist of their own number."""
    rows = [{"input_ids": np.full(length, number)} for number, length in enumerate(lengths)]
    return Examples(rows, np.array(lengths), batch, total, seed)


@pytest.mark.parametrize(("count", "batch"), [(100, 8), (20, 16), (5, 16), (16, 16), (300, 4)])
def test_each_epoch_takes_every_example_once(count, batch):
    rng = np.random.default_rng(count)
    steps = 3 * count // batch + 2
    order = examples_of(rng.integers(3, 60, count), batch, steps * batch)
    drawn = [int(order[place]["input_ids"][0]) for place in range(len(order))]
    assert len(drawn) == steps * batch
    for start in range(0, len(drawn), count):
        epoch = drawn[start : start + count]
        assert len(set(epoch)) == len(epoch)
    if count > batch:
        assert drawn[:count] != drawn[count : 2 * count]


def test_batches_have_similar_lengths_and_come_in_random_order():
    """In every epoch, though epochs end within a batch."""
    lengths = np.random.default_rng(0).integers(10, 200, 397)
    order = examples_of(lengths, 8, 1200)
    batches = np.array([len(order[place]["input_ids"]) for place in range(1200)]).reshape(150, 8)
    assert np.ptp(batches, axis=1).mean() < 0.2 * np.ptp(lengths)
    assert np.corrcoef(np.arange(49), batches[:49].mean(axis=1))[0, 1] == pytest.approx(0, abs=0.3)
    padding = 1 - batches.sum() / (batches.max(axis=1) * 8).sum()
    assert padding < 0.1


def test_the_seed_decides_the_order():
    orders = [list(map(int, examples_of(range(3, 53), 8, 160, seed).order)) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_hidden_subwords_differ_between_epochs_and_are_the_same_when_resumed():
    tokenizer = SimpleNamespace(mask_token_id=3, all_special_ids=[1, 2, 3])
    rows = [{"input_ids": np.repeat([1, 7, 2], [20, 400, 20]), "labels": np.arange(440)}]
    order = Examples(rows, np.array([440]), 1, 2, seed=1, hidden=0.15, tokenizer=tokenizer)
    first, second = order[0], order[1]
    assert set(first["input_ids"][20:-20]) == {3, 7}
    assert (first["input_ids"] == 3).sum() / 400 == pytest.approx(0.15, abs=0.06)
    assert set(first["input_ids"][:20]) == {1} and set(first["input_ids"][-20:]) == {2}
    assert not np.array_equal(first["input_ids"], second["input_ids"])
    assert np.array_equal(first["labels"], np.arange(440))
    again = Examples(rows, np.array([440]), 1, 2, seed=1, hidden=0.15, tokenizer=tokenizer)
    assert np.array_equal(again[1]["input_ids"], second["input_ids"])
    assert set(rows[0]["input_ids"]) == {1, 2, 7}


def test_a_batch_is_padded_to_its_longest():
    tokenizer = make_tokenizer("modernbert")
    pad = tokenizer.pad_token_id
    batch = training.padded(tokenizer)(
        [
            {"input_ids": np.array([1, 2]), "labels": np.array([-100, 4])},
            {"input_ids": np.array([5, 6, 7]), "labels": np.array([0, 1, -100])},
        ]
    )
    assert {name: values.tolist() for name, values in batch.items()} == {
        "input_ids": [[1, 2, pad], [5, 6, 7]],
        "labels": [[-100, 4, -100], [0, 1, -100]],
        "attention_mask": [[1, 1, 0], [1, 1, 1]],
    }
