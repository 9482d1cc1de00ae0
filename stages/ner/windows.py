"""Notes of any length as overlapping windows of subwords, and back to one row of numbers per word."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stages.shared import tags
from stages.shared.notes import Note


@dataclass(frozen=True, slots=True)
class Window:
    """Part of a note as a model reads it.

    `positions[i]` is the place in `input_ids` of the first subword of word `words[i]` of note number `note`.
    Every word stands in exactly one window's list: the one in which it is farthest from an edge.
    """

    note: int
    input_ids: list[int]
    words: np.ndarray
    positions: np.ndarray


@dataclass(frozen=True, slots=True)
class Cut:
    """Words and windows of a run of notes; `Window.note` counts from its start."""

    edges: list[list[tuple[int, int]]]
    windows: list[Window]


def cut(notes: Sequence[Note], tokenizer, length: int, overlap: int) -> Cut:
    """Tokenise `notes` once and cut them into windows of at most `length` subwords, special tokens included.

    Neighbouring windows share `overlap` subwords. A subword that covers several words stands for each of them.
    """
    before, after = special_tokens(tokenizer)
    room = length - len(before) - len(after)
    encoded = tokenizer(
        [note.text for note in notes],
        add_special_tokens=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
        verbose=False,
    )
    edges, windows = [], []
    for number, note in enumerate(notes):
        word_edges = tags.words(note.text)
        edges.append(word_edges)
        ids = encoded["input_ids"][number]
        if not word_edges or not ids:
            continue
        first = first_subwords(note.text, word_edges, encoded["offset_mapping"][number])
        starts = window_starts(len(ids), room, overlap)
        # Middle of the overlap: from there on the later window gives more context.
        owner = np.searchsorted(np.array(starts[1:]) + overlap // 2, first, side="right")
        for index, start in enumerate(starts):
            mine = np.flatnonzero(owner == index)
            windows.append(
                Window(
                    note=number,
                    input_ids=[*before, *ids[start : start + room], *after],
                    words=mine,
                    positions=first[mine] - start + len(before),
                )
            )
    return Cut(edges, windows)


def window_starts(tokens: int, room: int, overlap: int) -> list[int]:
    """First subword of each window; all but the last window are full.

    They lie where Hugging Face's fast tokenizers lay them (`stride=overlap`, `return_overflowing_tokens`), so a
    stock token-classification pipeline reads the same windows.
    """
    return list(range(0, max(1, tokens - overlap), room - overlap))


def first_subwords(
    text: str, word_edges: Sequence[tuple[int, int]], offsets: Sequence[tuple[int, int]]
) -> np.ndarray:
    """Number of the first subword that covers a character of each word.

    A byte-level subword carries its leading space and several subwords may share one character (the bytes of an
    emoji), so a subword counts from its first visible character. A word no subword covers (a tokenizer that drops
    characters) gets the next subword.
    """
    ends = np.array([end for _, end in offsets])
    starts = np.array([word for word, _ in word_edges])
    # The first subword that ends after the word's start is the first that can cover it.
    return np.minimum(np.searchsorted(np.maximum.accumulate(ends), starts, side="right"), len(offsets) - 1)


def special_tokens(tokenizer) -> tuple[list[int], list[int]]:
    """Special tokens that the tokenizer puts before and after one text."""
    ids = tokenizer("a", add_special_tokens=True)["input_ids"]
    body = tokenizer("a", add_special_tokens=False)["input_ids"]
    for start in range(len(ids) - len(body) + 1):
        if ids[start : start + len(body)] == body:
            return ids[:start], ids[start + len(body) :]
    return [], []


def batches(windows: Sequence[Window], tokens: int) -> Iterator[list[Window]]:
    """Windows of similar length together, at most `tokens` positions a batch with its padding."""
    order = sorted(range(len(windows)), key=lambda number: (len(windows[number].input_ids), number))
    batch: list[Window] = []
    for number in order:
        window = windows[number]
        if batch and len(window.input_ids) * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch
