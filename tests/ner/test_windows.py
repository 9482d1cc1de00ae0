import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.ner import windows
from stages.notes import tags
from stages.notes.note_table import Note
from tests import tiny
from tests.ner.conftest import make_tokenizer

KINDS = pytest.mark.parametrize("kind", ["modernbert", "bert"])
LONG = " ".join(tiny.texts(30))


def note(text):
    return Note("n", "n", text)


def sizes(length):
    """Overlaps that ner.train allows for a window of `length`."""
    return st.integers(0, length // 2)


@KINDS
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_windows_are_those_of_the_tokenizers_own_overflow(kind, data):
    tokenizer = make_tokenizer(kind)
    text = LONG[: data.draw(st.integers(1, 400))]
    length = data.draw(st.integers(16, 48))
    overlap = data.draw(sizes(length))
    expected = tokenizer(text, truncation=True, max_length=length, stride=overlap, return_overflowing_tokens=True)[
        "input_ids"
    ]
    found = windows.cut([note(text)], tokenizer, length, overlap).windows
    assert [window.input_ids for window in found] == expected


def test_the_last_window_may_be_short_and_adds_something_new():
    assert windows.window_starts(3, 10, 4) == [0]
    assert windows.window_starts(10, 10, 4) == [0]
    assert windows.window_starts(11, 10, 4) == [0, 6]
    assert windows.window_starts(16, 10, 4) == [0, 6]
    assert windows.window_starts(17, 10, 4) == [0, 6, 12]
    assert windows.window_starts(20, 10, 0) == [0, 10]


@KINDS
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_each_word_is_once_in_the_window_with_most_context(kind, data):
    tokenizer = make_tokenizer(kind)
    text = LONG[: data.draw(st.integers(1, 400))]
    length = data.draw(st.integers(16, 48))
    overlap = data.draw(sizes(length))
    found = windows.cut([note("Ana"), note(text)], tokenizer, length, overlap)
    assert found.edges == [[(0, 3)], tags.word_offsets(text)]
    assert found.windows[0].note == 0
    found = [window for window in found.windows if window.note == 1]
    assert sorted(word for window in found for word in window.words) == list(range(len(tags.word_offsets(text))))

    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    first = windows.first_subwords(tags.word_offsets(text), encoded["offset_mapping"])
    starts = windows.window_starts(len(encoded["input_ids"]), length - 2, overlap)
    assert len(starts) == len(found)
    spans = [(start, start + len(window.input_ids) - 2) for start, window in zip(starts, found, strict=True)]
    for (start, end), window in zip(spans, found, strict=True):
        for word, position in zip(window.words, window.positions, strict=True):
            subword = first[word]
            assert position == subword - start + 1  # after the special token
            assert window.input_ids[position] == encoded["input_ids"][subword]
            context = min(subword - start, end - 1 - subword)
            others = [min(subword - other, stop - 1 - subword) for other, stop in spans]
            assert context == max(others) >= 0


def subwords(kind, text):
    """Per word its text and that of its first subword."""
    encoded = make_tokenizer(kind)(text, add_special_tokens=False, return_offsets_mapping=True)
    edges = tags.word_offsets(text)
    first = windows.first_subwords(edges, encoded["offset_mapping"])
    return [
        (text[start:end], text[slice(*encoded["offset_mapping"][number])])
        for (start, end), number in zip(edges, first, strict=True)
    ], first


@KINDS
def test_the_first_subword_begins_the_word(kind):
    """With a leading space in a byte-level BPE, whatever the white space before."""
    for text in (*tiny.texts(10), " Ana\r\n\tRuiz  de\u00a0Mora ", "e\u0301dad 28036-Madrid"):
        found, first = subwords(kind, text)
        assert all(word.startswith(subword.lstrip()[:1]) and subword.strip() for word, subword in found)
        assert all(np.diff(first) >= 0)


def test_an_emoji_of_many_subwords_begins_at_its_first_byte():
    text = "Ana 🩺 Gil"
    tokenizer = make_tokenizer("modernbert")
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    found, first = subwords("modernbert", text)
    shares = [number for number, (_, end) in enumerate(encoded["offset_mapping"]) if end == 5]
    assert len(shares) > 2
    # The space may be a subword of its own: it is not the word's.
    visible = [number for number in shares if encoded["offset_mapping"][number] != (3, 4)]
    assert first[1] == visible[0]
    assert found[2][1].strip() == "G" or found[2][1].strip() == "Gil"


def test_a_subword_that_covers_several_words_stands_for_each():
    edges = [(0, 2), (2, 3), (3, 4), (5, 8)]
    offsets = [(0, 1), (1, 2), (2, 4), (4, 7), (7, 8)]
    assert windows.first_subwords(edges, offsets).tolist() == [0, 2, 2, 3]


def test_a_word_that_the_tokenizer_drops_gets_the_next_subword_or_the_last():
    text = "\ufeffAna\u200b"
    edges = tags.word_offsets(text)
    assert [text[start:end] for start, end in edges] == ["\ufeff", "Ana", "\u200b"]
    offsets = [(1, 3), (3, 4)]
    assert windows.first_subwords(edges, offsets).tolist() == [0, 0, 1]


@KINDS
def test_special_tokens_stand_around(kind):
    tokenizer = make_tokenizer(kind)
    assert windows.special_tokens(tokenizer) == ([tokenizer.cls_token_id], [tokenizer.sep_token_id])


def test_special_tokens_of_a_tokenizer_that_adds_none():
    assert windows.special_tokens(tiny.tokenizer("decoder")) == ([], [])


@KINDS
def test_notes_without_words_have_no_windows(kind):
    found = windows.cut([note(""), note(" \r\n\t"), note("Ana")], make_tokenizer(kind), 16, 4)
    assert [len(edges) for edges in found.edges] == [0, 0, 1]
    assert [window.note for window in found.windows] == [2]


def test_batches_hold_every_window_once_sorted_and_within_the_limit():
    notes = [note(text[: 20 + 7 * number]) for number, text in enumerate(tiny.texts(12))]
    found = windows.cut(notes, make_tokenizer("bert"), 64, 8).windows
    batches = list(windows.batches(found, lambda window: len(window.input_ids), 150))
    assert sorted(id(window) for batch in batches for window in batch) == sorted(map(id, found))
    assert len(batches) < len(found)
    for batch in batches:
        widths = [len(window.input_ids) for window in batch]
        assert widths == sorted(widths)
        assert len(batch) * widths[-1] <= 150 or len(batch) == 1
