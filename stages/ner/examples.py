"""Tagged notes as training examples of a token classifier, and their order."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.lm import tokenised, training
from stages.ner import windows
from stages.notes import tags
from stages.notes.note_table import CHUNK, Note, batched

# Batches are cut from runs of this many batches, sorted by length within a run: little padding, but still shuffled.
_BUCKET = 16


class Examples(Sequence[dict[str, np.ndarray]]):
    """`total` examples: epoch after epoch over the windows of the notes, shuffled, similar lengths in one batch.

    Every epoch takes each window once. The batch in which one epoch ends and the next begins has mixed lengths. A
    share `hidden` of the subwords, special tokens apart, is replaced by the mask token, different ones in each epoch,
    so that the model has to learn from the context and not only from what names look like.
    """

    def __init__(
        self,
        rows: Sequence[dict[str, np.ndarray]],
        lengths: np.ndarray,
        batch: int,
        total: int,
        seed: int,
        hidden: float = 0.0,
        tokenizer: Any = None,
    ):
        self.rows, self.seed, self.hidden = rows, seed, hidden
        if hidden:
            self.mask, self.special = tokenizer.mask_token_id, tokenizer.all_special_ids
        rng = np.random.default_rng(seed)
        order: list[int] = []
        while len(order) < total:
            drawn = rng.permutation(len(lengths))
            first = -len(order) % batch  # these complete the batch that the epoch before left open
            last = first + max(0, len(drawn) - first) // batch * batch
            order.extend(drawn[:first])
            batches: list[np.ndarray] = []
            for start in range(first, last, batch * _BUCKET):
                run = drawn[start : min(start + batch * _BUCKET, last)]
                run = run[np.argsort(lengths[run], kind="stable")]
                batches += np.split(run, len(run) // batch)
            for place in rng.permutation(len(batches)):
                order.extend(batches[place])
            order.extend(drawn[last:])
        self.order = order[:total]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: Any) -> Any:
        example = self.rows[int(self.order[place])]
        if not self.hidden:
            return example
        ids = example["input_ids"]
        hidden = np.random.default_rng([self.seed, place]).random(len(ids)) < self.hidden
        hidden &= ~np.isin(ids, self.special)
        return {**example, "input_ids": np.where(hidden, self.mask, ids)}


def tokenise(notes: Iterable[Note], tokenizer, names: Sequence[str], length: int, overlap: int, folder: Path) -> Any:
    """A `datasets.Dataset` of `input_ids` and `labels`, one row per window, kept in `folder`.

    A label is the number of the tag in `names` at a word's first subword, `training.IGNORED` elsewhere. Windows
    overlap, but each word is labelled only in the window in which it has most context.
    """
    number_of = {name: number for number, name in enumerate(names)}

    def rows() -> Iterator[dict[str, np.ndarray]]:
        for chunk in batched(notes, CHUNK):
            cut = windows.cut(chunk, tokenizer, length, overlap)
            encoded = (tags.encode(note.spans, edges) for note, edges in zip(chunk, cut.edges, strict=True))
            gold = [np.array([number_of[tag] for tag in sequence], dtype=np.int64) for sequence in encoded]
            for window in cut.windows:
                if not len(window.words):  # the loss would be a mean of nothing
                    continue
                labels = np.full(len(window.input_ids), training.IGNORED, dtype=np.int64)
                # If words share a subword, the tag of the first one counts.
                labels[window.positions[::-1]] = gold[window.note][window.words[::-1]]
                yield {"input_ids": np.array(window.input_ids, dtype=np.int64), "labels": labels}

    return tokenised.dataset(rows, folder)
