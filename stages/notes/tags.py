"""Conversion between spans of characters and BIO tags of words, and decoding that always returns valid BIO.

Tags and predictions are per word, not per subword, so that one wrong subword cannot split a name.
"""

import math
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from stages.notes.note_table import Span

# A run of letters (with their combining marks), a run of digits, or one other visible character. White space alone
# does not delimit words, because PII often ends between it ("28036-Madrid", "a@b.es").
WORD = re.compile(r"(?:[^\W\d_][\u0300-\u036f]*)+|\d+|[^\w\s]|_")


def word_offsets(text: str) -> list[tuple[int, int]]:
    """(start, end) of every word of `text`, in order; together the words cover everything except white space."""
    return [match.span() for match in WORD.finditer(text)]


def tag_names(labels: Iterable[str]) -> list[str]:
    """O, then B- and I- of each label in alphabetical order, which is the order of a model's outputs."""
    return ["O", *(f"{prefix}-{label}" for label in sorted(set(labels)) for prefix in "BI")]


def encode(spans: Sequence[Span], word_edges: Sequence[tuple[int, int]]) -> list[str]:
    """One BIO tag per word. A word that a span touches belongs to the span, and the first one gets B.

    `spans` must be sorted and disjoint. A span that ends inside a word takes the whole word; corpora_check counts
    those.
    """
    tags = ["O"] * len(word_edges)
    word = 0
    for span in spans:
        while word < len(word_edges) and word_edges[word][1] <= span.start:
            word += 1
        prefix = "B"
        while word < len(word_edges) and word_edges[word][0] < span.end:
            tags[word] = f"{prefix}-{span.label}"
            prefix = "I"
            word += 1
    return tags


def decode(
    tag_ids: Sequence[int],
    word_edges: Sequence[tuple[int, int]],
    names: Sequence[str],
    confidences: Sequence[float] | None = None,
) -> tuple[Span, ...]:
    """The spans of a valid BIO sequence of tag numbers. A span's score is that of its least certain word."""
    spans: list[Span] = []
    for position, (tag_id, (start, end)) in enumerate(zip(tag_ids, word_edges, strict=True)):
        prefix, _, label = names[tag_id].partition("-")
        if prefix == "O":
            continue
        score = None if confidences is None else float(confidences[position])
        if prefix == "I":
            last = spans.pop()
            start, score = last.start, None if score is None or last.score is None else min(score, last.score)
        spans.append(Span(start, end, label, score))
    return tuple(spans)


def viterbi(log_probs: np.ndarray, lengths: np.ndarray, adjacent: float = 0.0) -> np.ndarray:
    """The most probable valid BIO sequence of every note.

    `log_probs` is (notes, words, tags) in the order of `tag_names`, padded after `lengths` words; the result is
    (notes, words) tag numbers, 0 in the padding. I-x may only follow B-x or I-x. `adjacent` is added to the score
    where B-x follows B-x or I-x. The cost of a step is linear in the number of tags, not quadratic.
    """
    notes, steps, tags = log_probs.shape
    result = np.zeros((notes, steps), dtype=np.int64)
    if steps == 0:
        return result
    begin, inside = np.arange(1, tags, 2), np.arange(2, tags, 2)
    labels = np.arange(1, len(begin) + 1)
    rows = np.arange(notes)
    back = np.zeros((steps, notes, tags), dtype=np.int32)
    score = log_probs[:, 0].astype(np.float64)
    score[:, inside] = -np.inf
    for step in range(1, steps):
        # A label is represented by the better of B-x and I-x; column 0 is O.
        tag_of = np.concatenate(
            [np.zeros((notes, 1), int), np.where(score[:, begin] >= score[:, inside], begin, inside)], axis=1
        )
        reached = np.take_along_axis(score, tag_of, axis=1)
        best = reached.argmax(axis=1)
        top = reached[rows, best]
        rest = reached.copy()
        rest[rows, best] = -np.inf
        second = rest.argmax(axis=1)
        # B-x follows the best other tag, or its own label at the cost of `adjacent`.
        other = np.where(best[:, None] == labels, second[:, None], best[:, None])
        other_score, same = np.take_along_axis(reached, other, axis=1), reached[:, 1:]
        step_score = log_probs[:, step].astype(np.float64)
        step_score[:, 0] += top
        step_score[:, begin] += np.maximum(other_score, same + adjacent)
        step_score[:, inside] += same
        back[step][:, 0] = tag_of[rows, best]
        back[step][:, begin] = np.where(
            same + adjacent > other_score, tag_of[:, 1:], np.take_along_axis(tag_of, other, axis=1)
        )
        back[step][:, inside] = tag_of[:, 1:]
        alive = step < lengths
        score = np.where(alive[:, None], step_score, score)
    tag = score.argmax(axis=1)
    for step in range(steps - 1, -1, -1):
        alive = step < lengths
        result[alive, step] = tag[alive]
        tag = np.where(alive, back[step][rows, tag], tag)
    return result


def adjacency(sequences: Iterable[Sequence[str]]) -> float:
    """Log-probability that the word after a word of a span begins another span of that label, not continues the span.

    Counted in BIO sequences, with one added to each count. A tagger that scores each word independently breaks spans
    of unseen words in two, while spans of one label are hardly ever adjacent.
    """
    begun = continued = 1
    for sequence in sequences:
        for before, tag in pairwise(sequence):
            if tag != "O" and before[2:] == tag[2:]:
                begun += tag.startswith("B-")
                continued += tag.startswith("I-")
    return math.log(begun / (begun + continued))
