"""Which sampled texts become invented notes: repeats and degenerate text are dropped."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from pydantic import Field

from stages.generation.requests import Answer
from stages.notes import ngrams, note_table
from stages.runtime.params import Section

_REASONS = ("unfinished", "too_short", "broken_characters", "repetitive", "exact_duplicate", "near_duplicate")
# Lengths in words of the n-grams whose repetition within a text counts, and of those that near duplicates share.
_REPEATED, _SHARED = 4, 5
_HASHES = 64
_BANDS = 16  # of 4 rows: two texts with Jaccard similarity 0.7 meet in a band with probability 0.99


class Drop(Section):
    """Which sampled texts are dropped."""

    unfinished: bool = True
    """Drop texts that did not end within `max_new_tokens`."""
    min_words: int = Field(default=20, ge=1)
    """Fewest words of a text that is kept."""
    repetition: float = Field(default=0.5, gt=0, le=1)
    """Largest share of a text's word 4-grams that may repeat earlier ones in the text."""
    near_duplicate: float = Field(default=0.8, gt=0, le=1)
    """Estimated Jaccard similarity of the word 5-grams from which a text is a near duplicate of an earlier one."""


def accepted(
    sampled: Iterable[tuple[Answer, dict[str, Any]]], drop: Drop, target: int, counts: Counter[str]
) -> Iterator[note_table.Note]:
    """Yield the texts that pass as notes, until they have `target` words.

    `sampled` has texts with their provenance. Every text is counted in `counts`, as kept or under its reason.
    """
    seen = Seen(drop.near_duplicate)
    for answer, source in sampled:
        text, ended, tokens = answer.text, answer.ended, answer.tokens
        counts.update(sampled=1, sampled_tokens=tokens, unfinished=int(not ended))
        if reason := fault(text, ended, drop) or seen.add(text):
            counts[f"dropped_{reason}"] += 1
            continue
        counts.update(kept=1, tokens=tokens, words=note_table.count_words(text))
        name = f"invented-{source['seed'][0]}-{source['seed'][1]:07d}"
        yield note_table.Note(note_id=name, group_id=name, text=text, provenance=source)
        if counts["words"] >= target:
            return


def fault(text: str, ended: bool, drop: Drop) -> str | None:
    """Return why a text is dropped whatever the other texts are, or None."""
    words = text.split()
    if drop.unfinished and not ended:
        return "unfinished"
    if len(words) < drop.min_words:
        return "too_short"
    if "\N{REPLACEMENT CHARACTER}" in text:
        return "broken_characters"
    grams = [tuple(words[start : start + _REPEATED]) for start in range(len(words) - _REPEATED + 1)]
    if grams and 1 - len(set(grams)) / len(grams) > drop.repetition:
        return "repetitive"
    return None


def summary(counts: Counter[str], target: int) -> dict[str, Any]:
    """Return the counts as they are written to the metrics."""
    return {
        "asked_words": target,
        "dropped": {reason: counts[f"dropped_{reason}"] for reason in _REASONS},
        **{name: counts[name] for name in ("kept", "sampled", "sampled_tokens", "tokens", "unfinished", "words")},
        "volume_reached": counts["words"] >= target,
    }


class Seen:
    """The texts met so far, as MinHash signatures: about 5 kB each (measured), whatever their length."""

    def __init__(self, similarity: float):
        self.similarity = similarity
        rng = np.random.default_rng(20250221)
        self._factors = rng.integers(1, 2**63, _HASHES, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._offsets = rng.integers(0, 2**63, _HASHES, dtype=np.uint64)
        self._exact: set[bytes] = set()
        self._signatures: list[np.ndarray] = []
        self._bands: dict[tuple[int, bytes], list[int]] = {}

    def add(self, text: str) -> str | None:
        """Remember a text and return None, or return of what kind of duplicate of a remembered text it is.

        Exact duplicates differ only in white space; near ones have at least the (estimated) Jaccard similarity.
        """
        exact = hashlib.blake2b(" ".join(text.split()).encode(), digest_size=8).digest()
        if exact in self._exact:
            return "exact_duplicate"
        signature = self._signature(text)
        keys = [(band, part.tobytes()) for band, part in enumerate(signature.reshape(_BANDS, -1))]
        near = {number for key in keys for number in self._bands.get(key, ())}
        if any(np.mean(self._signatures[number] == signature) >= self.similarity for number in near):
            return "near_duplicate"
        self._exact.add(exact)
        for key in keys:
            self._bands.setdefault(key, []).append(len(self._signatures))
        self._signatures.append(signature)
        return None

    def _signature(self, text: str) -> np.ndarray:
        hashes = ngrams.word_hashes(text)
        grams = ngrams.ngrams(hashes, min(_SHARED, len(hashes))) if len(hashes) else np.zeros(1, np.uint64)
        hashed = grams[None, :] * self._factors[:, None] + self._offsets[:, None]
        # The high half of a product is well mixed, the low half is not.
        return (hashed >> np.uint64(32)).min(axis=1).astype(np.uint32)
