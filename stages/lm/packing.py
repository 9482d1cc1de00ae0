"""Documents as blocks of equal length: BOS, text, EOS, end to end, with nothing cut off and nothing padded."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.lm import models, tokenised
from stages.lm.training import IGNORED


class Documents:
    """Documents end to end, in the column `input_ids` of `rows`: document i is `read(starts[i], starts[i + 1])`.

    Memory: 8 bytes per document. The operating system caches as many tokens as there is room for.
    """

    def __init__(self, rows: Any) -> None:
        self.starts = np.concatenate([[0], np.cumsum(tokenised.lengths(rows))]).astype(np.int64)
        self.tokens = int(self.starts[-1])  # of all documents together, BOS and EOS included
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
    """BOS, tokens and EOS of every text, kept in `folder` under `name`; 4 bytes a token.

    A tokenizer without BOS gets EOS in its place: the mark that a document begins.
    """

    def rows() -> Iterator[dict[str, list[int]]]:
        return ({"input_ids": ids} for ids in models.documents(texts(), tokenizer))

    return Documents(tokenised.dataset(rows, folder, name, columns=["input_ids"]))


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
    """Training blocks: documents in a new random order every epoch, cut into `context` tokens without a gap.

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
        position, stop, parts = block * self.context, (block + 1) * self.context, []
        while position < stop:
            parts.append(self._read(position, stop - position))
            position += len(parts[-1])
        return _example(np.concatenate(parts), self.masking, self.seed, 1, block)

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
    """Evaluation blocks: the documents once, in their order; each token but the first is predicted once.

    The last block reaches back into the one before instead of being padded; what it repeats has no label.
    """

    def __init__(self, documents: Documents, context: int, masking: Masking | None = None) -> None:
        self.documents, self.masking = documents, masking
        self.context = min(context, documents.tokens)

    def __len__(self) -> int:
        return -(-self.documents.tokens // self.context)

    def __getitem__(self, block: Any) -> Any:
        start = min(block * self.context, self.documents.tokens - self.context)
        example = _example(self.documents.read(start, start + self.context), self.masking, 2, block)
        repeated = np.arange(self.context) < block * self.context - start
        return example | {"labels": np.where(repeated, IGNORED, example["labels"])}


def _example(ids: np.ndarray, masking: Masking | None, *seed: int) -> dict[str, np.ndarray]:
    """A block with its labels: every token or, with masking, the tokens that `seed` chooses."""
    noisy, labels = masking.apply(ids, np.random.default_rng(seed)) if masking else (ids, ids)
    return {"input_ids": noisy, "labels": labels}
