"""Near duplicates among texts met one after another, by MinHash over word 5-grams."""

import numpy as np

from stages.shared import ngrams

_GRAM = 5
_HASHES = 64
_BANDS = 16  # of 4 rows: two texts with Jaccard similarity 0.7 meet in a band with probability 0.99


class Seen:
    """The texts met so far: about 5 kB each (measured), whatever their length."""

    def __init__(self, similarity: float):
        self.similarity = similarity
        rng = np.random.default_rng(20250221)
        self._factors = rng.integers(1, 2**63, _HASHES, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._offsets = rng.integers(0, 2**63, _HASHES, dtype=np.uint64)
        self._signatures: list[np.ndarray] = []
        self._bands: dict[tuple[int, bytes], list[int]] = {}

    def repeats(self, text: str) -> bool:
        """Whether a remembered text has at least the given (estimated) Jaccard similarity to this one."""
        signature = self._signature(text)
        near = {number for key in self._keys(signature) for number in self._bands.get(key, ())}
        return any(np.mean(self._signatures[number] == signature) >= self.similarity for number in near)

    def add(self, text: str) -> None:
        """Remember a text."""
        signature = self._signature(text)
        for key in self._keys(signature):
            self._bands.setdefault(key, []).append(len(self._signatures))
        self._signatures.append(signature)

    def _signature(self, text: str) -> np.ndarray:
        hashes = ngrams.word_hashes(text)
        grams = ngrams.ngrams(hashes, min(_GRAM, len(hashes))) if len(hashes) else np.zeros(1, np.uint64)
        hashed = grams[None, :] * self._factors[:, None] + self._offsets[:, None]
        # The high half of a product is well mixed, the low half is not.
        return (hashed >> np.uint64(32)).min(axis=1).astype(np.uint32)

    def _keys(self, signature: np.ndarray) -> list[tuple[int, bytes]]:
        return [(band, part.tobytes()) for band, part in enumerate(signature.reshape(_BANDS, -1))]
