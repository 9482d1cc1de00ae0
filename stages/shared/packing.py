"""Documents as fixed blocks of tokens: BOS + text + EOS after one another, nothing cut off, nothing padded."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.shared.notes import batched

# Documents handed to the tokenizer at once.
_CHUNK = 256


@dataclass(frozen=True)
class Tokens:
    """Tokenised documents, end to end: document i is `ids[starts[i]:starts[i + 1]]`."""

    ids: np.ndarray
    starts: np.ndarray

    @property
    def documents(self) -> int:
        return len(self.starts) - 1


def tokenise(texts: Iterable[str], tokenizer: Any) -> Tokens:
    """BOS, tokens and EOS of every text, streamed; 4 bytes a token.

    A tokenizer without BOS gets EOS in its place: the mark that a document begins.
    """
    begin, end = edges(tokenizer)
    parts: list[np.ndarray] = []
    lengths: list[int] = []
    for chunk in batched(texts, _CHUNK):
        encoded = tokenizer(chunk, add_special_tokens=False, return_attention_mask=False, verbose=False)
        for ids in encoded["input_ids"]:
            parts.append(np.array([begin, *ids, end], dtype=np.int32))
            lengths.append(len(ids) + 2)
    ids = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)
    return Tokens(ids, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def edges(tokenizer: Any) -> tuple[int, int]:
    """Token numbers that begin and end a document."""
    end = _first(tokenizer.eos_token_id, tokenizer.sep_token_id)
    begin = _first(tokenizer.bos_token_id, tokenizer.cls_token_id, end)
    if begin is None or end is None:
        raise ValueError("the tokenizer has no token that can end a document")
    return begin, end


@dataclass(frozen=True)
class Masking:
    """Masked-language-model noise: of `share` of the tokens, 80 % become the mask, 10 % a random token."""

    share: float
    mask: int
    vocabulary: int
    special: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: Any, share: float) -> "Masking":
        """The noise in the terms of an encoder's tokenizer; special tokens are never chosen."""
        return cls(share, tokenizer.mask_token_id, len(tokenizer), tuple(tokenizer.all_special_ids))

    def apply(self, ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Noisy tokens and labels (-100 where nothing is to be predicted)."""
        chosen = (rng.random(len(ids)) < self.share) & ~np.isin(ids, self.special)
        fate = rng.random(len(ids))
        noisy = np.where(chosen & (fate < 0.8), self.mask, ids)
        noisy = np.where(chosen & (fate >= 0.9), rng.integers(0, self.vocabulary, len(ids)), noisy)
        return noisy, np.where(chosen, ids, -100)


class Stream:
    """Training blocks: documents in a new random order every epoch, cut into `context` tokens without a gap.

    Block i depends on the seed and i alone, so a resumed training and any micro-batch meet the same tokens.
    """

    def __init__(self, tokens: Tokens, context: int, blocks: int, seed: int, masking: Masking | None = None):
        if not len(tokens.ids):
            raise ValueError("no tokens to train on")
        self.tokens, self.context, self.blocks = tokens, context, blocks
        self.seed, self.masking = seed, masking
        self._epoch, self._order, self._ends = -1, np.zeros(0), np.zeros(0)

    def __len__(self) -> int:
        return self.blocks

    def __getitem__(self, block: int) -> dict[str, np.ndarray]:
        position, parts, missing = block * self.context, [], self.context
        while missing:
            epoch, offset = divmod(position, len(self.tokens.ids))
            part = self._read(epoch, offset, missing)
            parts.append(part)
            position += len(part)
            missing -= len(part)
        ids = np.concatenate(parts).astype(np.int64)
        if self.masking is None:
            return {"input_ids": ids, "labels": ids}
        noisy, labels = self.masking.apply(ids, np.random.default_rng([self.seed, 1, block]))
        return {"input_ids": noisy, "labels": labels}

    def _read(self, epoch: int, offset: int, size: int) -> np.ndarray:
        """At most `size` tokens of one document, from `offset` tokens into the epoch."""
        starts = self.tokens.starts
        if epoch != self._epoch:
            order = np.random.default_rng([self.seed, 0, epoch]).permutation(self.tokens.documents)
            self._epoch, self._order = epoch, order
            self._ends = np.cumsum(starts[order + 1] - starts[order])
        number = int(np.searchsorted(self._ends, offset, side="right"))
        document = self._order[number]
        end = starts[document + 1]
        begin = end - (self._ends[number] - offset)
        return self.tokens.ids[begin : min(end, begin + size)]


class Blocks:
    """Evaluation blocks: the documents once, in their order; each token but the first is predicted once.

    The last block reaches back into the one before instead of being padded; what it repeats has no label.
    """

    def __init__(self, tokens: Tokens, context: int, masking: Masking | None = None):
        self.ids = tokens.ids.astype(np.int64)
        self.context, self.masking = min(context, len(self.ids)), masking

    def __len__(self) -> int:
        return -(-len(self.ids) // self.context)

    def __getitem__(self, block: int) -> dict[str, np.ndarray]:
        start = min(block * self.context, len(self.ids) - self.context)
        ids = self.ids[start : start + self.context]
        noisy, labels = ids, ids
        if self.masking is not None:
            noisy, labels = self.masking.apply(ids, np.random.default_rng([2, block]))
        repeated = np.arange(start, start + self.context) < block * self.context
        return {"input_ids": noisy, "labels": np.where(repeated, -100, labels)}


def steps(tokens: Tokens, context: int, batch: int, epochs: float) -> int:
    """Optimiser steps that `epochs` passes over the documents take, at `batch` blocks a step."""
    return max(1, round(epochs * len(tokens.ids) / (context * batch)))


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)
