"""Word n-grams as 64-bit hashes, which find shared and repeated text without keeping any text."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from stages.notes.tags import word_offsets

# Odd, so that multiplication modulo 2^64 is a bijection.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


def word_hashes(text: str, edges: Sequence[tuple[int, int]] | None = None) -> np.ndarray:
    """One hash per word of `text`, regardless of case; the same on every machine, unlike Python's `hash`.

    `edges` are the (start, end) of the words, if they are known already.
    """
    lowered = [text[start:end].lower() for start, end in (word_offsets(text) if edges is None else edges)]
    return np.fromiter((_word(word) for word in lowered), dtype=np.uint64, count=len(lowered))


def ngrams(hashes: np.ndarray, size: int) -> np.ndarray:
    """One hash per run of `size` consecutive words; empty for a shorter text."""
    places = len(hashes) - size + 1
    if places < 1:
        return np.empty(0, dtype=np.uint64)
    values = np.zeros(places, dtype=np.uint64)
    for offset in range(size):
        values = values * _FACTOR + hashes[offset : offset + places]
    # Mixed, so that the last words also affect the high bits.
    values ^= values >> np.uint64(29)
    return values * _MIX


def repeated(hashes: np.ndarray, size: int) -> float:
    """Share of a text's runs of `size` words that occur earlier in it; 0 for a shorter text."""
    grams = ngrams(hashes, size)
    return 1 - len(np.unique(grams)) / len(grams) if len(grams) else 0.0


def whole(hashes: np.ndarray) -> int:
    """One hash for all words of a text in order."""
    return int.from_bytes(blake2b(hashes.tobytes(), digest_size=8).digest(), "little")


def distinct(chunks: Sequence[np.ndarray]) -> np.ndarray:
    """The sorted distinct hashes of many arrays, as `found` expects them; 8 bytes each."""
    return np.unique(np.concatenate(chunks)) if chunks else np.empty(0, dtype=np.uint64)


def found(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Whether each of `values` is among the sorted `known`."""
    if not len(known):
        return np.zeros(len(values), dtype=bool)
    places = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return known[places] == values


def longest_run(hits: np.ndarray) -> int:
    """Length of the longest unbroken run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], hits, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


@lru_cache(maxsize=1 << 18)
def _word(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
