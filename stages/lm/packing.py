"""Documents as blocks of equal length: BOS, text, EOS, end to end, with nothing cut off and nothing padded.

A tokenizer whose begin is its end (GPT-2, Qwen) has one mark between two documents. With two, a model would learn
that the second may follow the first at once, and would write empty texts.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.lm import models, tokenised
from stages.lm.logits import IGNORED


class Documents:
    """Documents end to end, in the column `input_ids` of `rows`: document i is `read(starts[i], starts[i + 1])`.

    Memory: 8 bytes per document. The operating system caches as many tokens as there is room for.
    """

    def __init__(self, rows: Any, bos: Sequence[int]) -> None:
        self.bos = list(bos)  # what begins every document and every block, or nothing
        self.starts = np.concatenate([[0], np.cumsum(tokenised.lengths(rows))]).astype(np.int64)
        self.tokens = int(self.starts[-1])  # of all documents together, BOS and EOS included
        self.text_tokens = self.tokens - (1 + len(self.bos)) * len(self)
        # Views of the mapped file. Items of the dataset itself are copies, which take 50 times as long to make.
        self._parts = pc.list_flatten(rows.data.column("input_ids")).chunks
        self._offsets = np.cumsum([0, *map(len, self._parts)])

    def __len__(self) -> int:
        return len(self.starts) - 1

    def read(self, start: int, stop: int) -> np.ndarray:
        """Tokens `start` to `stop` of the concatenated documents, as int64."""
        first, last = np.searchsorted(self._offsets, (start, stop - 1), side="right")
        found = pa.chunked_array(self._parts[first - 1 : last], pa.int32())
        return found.slice(start - self._offsets[first - 1], stop - start).to_numpy().astype(np.int64)


def tokenise(texts: Callable[[], Iterable[str]], tokenizer: Any, folder: Path, name: str = "documents") -> Documents:
    """BOS, tokens and EOS of every text, kept in `folder` under `name`; 4 bytes a token."""
    bos = models.bos(tokenizer)

    def rows() -> Iterator[dict[str, list[int]]]:
        return ({"input_ids": [*bos, *ids]} for ids in models.documents(texts(), tokenizer))

    return Documents(tokenised.dataset(rows, folder, name, columns=["input_ids"]), bos)


class Masking(NamedTuple):
    """Masked-language-model noise: of `share` of the tokens, 80 % become the mask, 10 % a random token."""

    share: float
    mask: int
    vocabulary: int
    special: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: Any, share: float) -> "Masking":
        """The noise in terms of an encoder's tokenizer; special tokens are never chosen."""
        return cls(share, tokenizer.mask_token_id, len(tokenizer), tuple(tokenizer.all_special_ids))

    def apply(self, ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Noisy tokens, and labels (IGNORED where nothing is to be predicted)."""
        chosen = (rng.random(len(ids)) < self.share) & ~np.isin(ids, self.special)
        fate = rng.random(len(ids))
        noisy = np.where(chosen & (fate < 0.8), self.mask, ids)
        noisy = np.where(chosen & (fate >= 0.9), rng.integers(0, self.vocabulary, len(ids)), noisy)
        return noisy, np.where(chosen, ids, IGNORED)


class Stream(Sequence[dict[str, np.ndarray]]):
    """Training blocks of `context` tokens: the documents end to end, in a new random order every epoch.

    Block i depends on the seed and i alone, so the blocks are the same after a restart and for any micro-batch.
    """

    def __init__(
        self, documents: Documents, context: int, blocks: int, seed: int, masking: Masking | None = None
    ) -> None:
        if not documents.tokens:
            raise ValueError("no tokens to train on")
        self.documents, self.context, self.blocks, self.seed, self.masking = documents, context, blocks, seed, masking
        # The order of the epoch that was read last, and where each document ends in it.
        self._epoch = -1
        self._order = self._ends = np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        return self.blocks

    def __getitem__(self, block: Any) -> Any:
        position, parts, missing = block * new_tokens(self.context), [], self.context
        while missing:
            parts.append(self._read(position, missing))
            position, missing = position + len(parts[-1]), missing - len(parts[-1])
        return _example(np.concatenate(parts), self.documents.bos, self.masking, self.seed, 1, block)

    def _read(self, position: int, size: int) -> np.ndarray:
        """At most `size` tokens of one document, from a position in the stream."""
        starts = self.documents.starts
        epoch, offset = divmod(position, self.documents.tokens)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.documents))
            self._ends = np.cumsum(starts[order + 1] - starts[order])
        number = int(np.searchsorted(self._ends, offset, side="right"))
        end = int(starts[self._order[number] + 1])
        begin = end - int(self._ends[number] - offset)
        return self.documents.read(begin, min(end, begin + size))


class Blocks(Sequence[dict[str, np.ndarray]]):
    """Evaluation blocks: the documents once, in their order; no token is predicted twice.

    The last block is filled up with the first documents, whose tokens have no label there.
    """

    def __init__(self, documents: Documents, context: int, masking: Masking | None = None) -> None:
        self.documents, self.context, self.masking = documents, context, masking

    def __len__(self) -> int:
        return -(-(self.documents.tokens - 1) // new_tokens(self.context))

    def __getitem__(self, block: Any) -> Any:
        start, size = block * new_tokens(self.context), self.documents.tokens
        ids = self.documents.read(start, min(start + self.context, size))
        here = len(ids)
        while len(ids) < self.context:
            ids = np.concatenate([ids, self.documents.read(0, min(self.context - len(ids), size))])
        example = _example(ids, self.documents.bos, self.masking, 2, block)
        return example | {"labels": np.where(np.arange(self.context) < here, example["labels"], IGNORED)}


def new_tokens(context: int) -> int:
    """Tokens of the documents that a block predicts; the first token of a block is only read."""
    return context - 1


def _example(ids: np.ndarray, bos: Sequence[int], masking: Masking | None, *seed: int) -> dict[str, np.ndarray]:
    """A block with its labels: every token or, with masking, the tokens that `seed` chooses.

    A block that begins inside a document gets BOS for its first token, which the block before has predicted, and its
    second token is not predicted from BOS alone: what follows BOS is how documents begin.
    """
    inside = bool(bos) and ids[0] != bos[0]
    if inside:
        ids = np.concatenate([bos, ids[1:]])
    noisy, labels = masking.apply(ids, np.random.default_rng(seed)) if masking else (ids, ids.copy())
    labels[: 2 if inside else 1] = IGNORED
    return {"input_ids": noisy, "labels": labels}
