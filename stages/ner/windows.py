"""Notes of any length as overlapping windows of subwords."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from stages.notes import tags
from stages.notes.note_table import Note

T = TypeVar("T")


class Window(NamedTuple):
    """Part of a note, as a model reads it.

    `positions[i]` is the index in `input_ids` of the first subword of word `words[i]` of note number `note`. Every
    word is listed in exactly one window: the one in which it is farthest from an edge.
    """

    note: int
    input_ids: list[int]
    words: np.ndarray
    positions: np.ndarray


class Cut(NamedTuple):
    """Word offsets and windows of a run of notes; `Window.note` is an index into the run."""

    edges: list[list[tuple[int, int]]]
    windows: list[Window]


def cut(notes: Sequence[Note], tokenizer, length: int, overlap: int) -> Cut:
    """Tokenise `notes` and cut them into windows of at most `length` subwords, special tokens included.

    Neighbouring windows share `overlap` subwords. A subword that covers several words represents each of them.
    """
    before, after = special_tokens(tokenizer)
    room = length - len(before) - len(after)
    texts = [note.text for note in notes]
    encoded = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    edges, windows = [], []
    for number, note in enumerate(notes):
        word_edges = tags.word_offsets(note.text)
        edges.append(word_edges)
        ids = encoded["input_ids"][number]
        if not word_edges or not ids:
            continue
        first = first_subwords(word_edges, encoded["offset_mapping"][number])
        starts = window_starts(len(ids), room, overlap)
        # From the middle of the overlap on, the later window gives more context.
        owner = np.searchsorted(np.array(starts[1:]) + overlap // 2, first, side="right")
        for index, start in enumerate(starts):
            words = np.flatnonzero(owner == index)
            input_ids = [*before, *ids[start : start + room], *after]
            windows.append(Window(number, input_ids, words, first[words] - start + len(before)))
    return Cut(edges, windows)


def window_starts(tokens: int, room: int, overlap: int) -> list[int]:
    """Return the first subword of each window; all windows but the last are full.

    They are the windows of Hugging Face's fast tokenizers (`stride=overlap`, `return_overflowing_tokens`), so a stock
    token-classification pipeline reads the same ones.
    """
    return list(range(0, max(1, tokens - overlap), room - overlap))


def first_subwords(word_edges: Sequence[tuple[int, int]], offsets: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return the index of the first subword that covers a character of each word.

    Byte-level subwords include their leading space, and several subwords may share a character, such as the bytes of
    an emoji. A word that no subword covers, because the tokenizer drops its characters, gets the next subword.
    """
    ends = np.array([end for _, end in offsets])
    starts = np.array([word for word, _ in word_edges])
    # The first subword that ends after the word's start is the first that can cover it.
    return np.minimum(np.searchsorted(np.maximum.accumulate(ends), starts, side="right"), len(offsets) - 1)


def special_tokens(tokenizer) -> tuple[list[int], list[int]]:
    """Return the special tokens that the tokenizer adds before and after a text."""
    encoded = tokenizer("a", return_special_tokens_mask=True)
    ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
    return ids[: special.index(0)], ids[len(special) - special[::-1].index(0) :]


def batches(items: Iterable[T], length: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Yield items in batches of similar `length`, of at most `most` positions with padding, or of one longer item."""
    batch: list[T] = []
    for item in sorted(items, key=length):
        if batch and length(item) * (len(batch) + 1) > most:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
