import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.notes import tags
from stages.notes.note_table import Span

# What breaks naive tokenisation: combining marks, emoji of several code points, BOM, CRLF, tabs, digits, underscores.
ODD = st.lists(
    st.sampled_from(
        ["Ana", "é", "e\u0301", "ñ", "👩🏽‍⚕️", "\ufeff", "\r\n", "\t", " ", "\u00a0", "\u200b",
         "28036", "٣", "²", "_", "-", "@"]
    ),
    max_size=12,
).map("".join)  # fmt: skip
TEXTS = st.text(max_size=40) | ODD


@given(TEXTS)
def test_words_cover_all_but_white_space_in_order(text):
    edges = tags.word_offsets(text)
    covered = [place for start, end in edges for place in range(start, end)]
    assert covered == [place for place, character in enumerate(text) if not character.isspace()]
    assert all(start < end for start, end in edges)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("28036-Madrid", ["28036", "-", "Madrid"]),
        ("a_b@c.es", ["a", "_", "b", "@", "c", ".", "es"]),
        ("Jose\u0301\r\n\tGil", ["Jose\u0301", "Gil"]),
        ("\ufeff3º", ["\ufeff", "3", "º"]),
        (" \u00a0\n", []),
    ],
)
def test_words(text, expected):
    assert [text[start:end] for start, end in tags.word_offsets(text)] == expected


def test_tag_names_are_outside_first_and_sorted():
    assert tags.tag_names(["NAME", "AGE", "NAME"]) == ["O", "B-AGE", "I-AGE", "B-NAME", "I-NAME"]


@st.composite
def words_and_spans(draw):
    """Edges of words, and disjoint spans at word edges, neighbours of one label among them."""
    edges = tags.word_offsets(draw(TEXTS))
    spans, word = [], 0
    while word < len(edges):
        size = draw(st.integers(1, 3))
        last = min(word + size, len(edges)) - 1
        if draw(st.booleans()):
            spans.append(Span(edges[word][0], edges[last][1], draw(st.sampled_from(["AGE", "NAME"]))))
        word = last + 1
    return edges, tuple(spans)


@given(words_and_spans())
def test_spans_at_word_edges_come_back(drawn):
    edges, spans = drawn
    names = tags.tag_names(["AGE", "NAME"])
    encoded = tags.encode(spans, edges)
    assert len(encoded) == len(edges)
    assert tags.decode([names.index(tag) for tag in encoded], edges, names) == spans


def test_a_span_that_ends_inside_a_word_claims_it():
    edges = [(0, 4), (5, 8), (8, 9), (10, 14)]
    assert tags.encode([Span(2, 6, "A"), Span(6, 12, "B")], edges) == ["B-A", "I-A", "B-B", "I-B"]
    # White space alone touches no word.
    assert tags.encode([Span(4, 5, "A"), Span(10, 11, "B")], edges) == ["O", "O", "O", "B-B"]


def test_a_span_scores_as_its_least_certain_word():
    edges, names = [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)], tags.tag_names("A")
    spans = tags.decode([1, 2, 2, 0, 1], edges, names, [0.5, 0.25, 0.6, 0.1, 0.75])
    assert spans == (Span(0, 5, "A", 0.25), Span(8, 9, "A", 0.75))


def valid(sequence):
    """I-x only after B-x or I-x, in the order of tag_names."""
    return all(
        tag == 0 or tag % 2 or before in (tag - 1, tag) for before, tag in zip((0, *sequence), sequence, strict=False)
    )


def touching(before, tag):
    """A B-x right after B-x or I-x."""
    return tag % 2 == 1 and before in (tag, tag + 1)


@given(
    seed=st.integers(0, 10**6),
    labels=st.integers(1, 2),
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=3),
    adjacent=st.sampled_from([0.0, -1.0, -6.0]),
)
def test_viterbi_finds_the_best_of_all_valid_sequences(seed, labels, lengths, adjacent):
    tag_count = 2 * labels + 1
    table = np.random.default_rng(seed).normal(scale=2, size=(len(lengths), max(lengths), tag_count))
    found = tags.viterbi(table, np.array(lengths), adjacent)
    for row, length in enumerate(lengths):
        scores = table[row, :length]
        best = max(
            filter(valid, itertools.product(range(tag_count), repeat=length)),
            key=lambda sequence: (
                sum(scores[step, tag] for step, tag in enumerate(sequence))
                + adjacent * sum(map(touching, sequence, sequence[1:]))
            ),
        )
        assert tuple(found[row, :length]) == best
        assert not found[row, length:].any()
        likeliest = tuple(scores.argmax(axis=1))
        if valid(likeliest) and not adjacent:
            assert best == likeliest


@given(st.integers(0, 10**6))
def test_viterbi_never_gives_inside_without_begin(seed):
    """Long notes, and a table that likes I tags best."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(4, 60, 7)) + 3 * (np.arange(7) % 2 == 0)
    lengths = rng.integers(0, 61, size=4)
    for row, length in zip(tags.viterbi(table, lengths), lengths, strict=True):
        assert valid(row[:length])


def test_adjacency_is_the_share_of_touching_spans_of_one_label():
    sequences = [["B-A", "I-A", "I-A", "O", "B-A", "B-B"], ["B-B", "B-B", "I-B"]]
    # I-A, I-A and I-B go on, B-B begins again; one is added to both.
    assert tags.adjacency(sequences) == pytest.approx(math.log(2 / 6))
    assert tags.adjacency([]) == pytest.approx(math.log(1 / 2))
