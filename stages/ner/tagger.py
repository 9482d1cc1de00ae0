"""Inference with a trained de-identification model: notes in, the same notes with predicted, scored spans out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from stages.ner import windows
from stages.notes import tags
from stages.notes.note_table import Note, batched
from stages.runtime.errors import UserError
from stages.runtime.outputs import read_json

# The model's windows and decoding, which training writes beside the weights.
SETTINGS = "tagger.json"
# The number of members, which ner_ensemble writes beside their folders 1, 2, ...
MEMBERS = "members.json"
# Notes in memory at once, subwords of a forward pass, and words that are decoded at once, the last two with padding:
# chosen for speed; they affect rounding only. A longer note is decoded alone.
NOTES, TOKENS, WORDS = 64, 8192, 32768
# Start and end of every word, by note.
Edges = list[list[tuple[int, int]]]


class Tagger:
    """A token-classification model, applied to the windows it was trained on, with constrained decoding.

    Windows have at most `length` subwords and share `overlap` subwords. `adjacent` is the log-probability that a span
    follows another span of its label without a word between them (`tags.adjacency`).
    """

    def __init__(
        self, model: Any, tokenizer: Any, length: int, overlap: int, adjacent: float = 0.0, precision: str = "fp32"
    ):
        self.model = model.eval()
        self.tokenizer, self.precision = tokenizer, precision
        self.length, self.overlap, self.adjacent = length, overlap, adjacent
        self.names = [model.config.id2label[number] for number in range(model.config.num_labels)]

    @property
    def labels(self) -> list[str]:
        """The labels that the model predicts, sorted."""
        return sorted({name[2:] for name in self.names} - {""})

    @classmethod
    def load(cls, folder: str | Path, precision: str = "fp32") -> "Tagger":
        """Return the model or ensemble in `folder`, on the device DEIDSYNTH_DEVICE (default: a GPU if there is one).

        Raises UserError if the folder holds no model that ner_train, ner_ensemble or ner_selftrain wrote.
        """
        from stages.lm import models

        folder = Path(folder)
        if (folder / MEMBERS).is_file():
            members = range(1, read_json(folder / MEMBERS)["members"] + 1)
            return Vote([Tagger.load(folder / str(member), precision) for member in members])
        if not (folder / SETTINGS).is_file():
            raise UserError(f"{folder}: no model trained by ner_train here; run `dvc repro` to make it")
        return cls(*models.load_tagger(folder), **read_json(folder / SETTINGS), precision=precision)

    def tag(self, notes: Iterable[Note]) -> Iterator[Note]:
        """Yield the notes, in order, with predicted spans, each scored by the probability of its least sure word."""
        for (tagged,) in self.sweep(notes, [{}]):
            yield tagged

    def sweep(self, notes: Iterable[Note], biases: Sequence[Mapping[str, float]]) -> Iterator[tuple[Note, ...]]:
        """Yield every note once per entry of `biases`, tagged with it; the model runs once per note.

        An entry has, by label, what is added to the log-probabilities of its tags before decoding, in nats: a
        positive bias hides more. Span scores are the model's own, without the bias.
        """
        for run in batched(notes, NOTES):
            edges, log_probs = self.log_probs(run)
            versions: list[tuple[Note, ...]] = [()] * len(run)
            sizes = [len(word_edges) for word_edges in edges]
            for alike in windows.batches(range(len(run)), sizes.__getitem__, WORDS):
                found = self._decoded([log_probs[number] for number in alike], biases)
                for number, tag_ids in zip(alike, found, strict=True):
                    versions[number] = tuple(
                        replace(
                            run[number],
                            spans=tags.decode(
                                row.tolist(), edges[number], self.names, label_probs(log_probs[number], row).tolist()
                            ),
                        )
                        for row in tag_ids
                    )
            yield from versions

    def _decoded(self, log_probs: list[np.ndarray], biases: Sequence[Mapping[str, float]]) -> list[np.ndarray]:
        """Return for every note the tag numbers (biases, words) of its words."""
        added = np.array([[bias.get(name[2:], 0.0) for name in self.names] for bias in biases], dtype=np.float32)
        lengths = np.array([len(scores) for scores in log_probs])
        padded = np.zeros((len(log_probs), len(biases), lengths.max(), len(self.names)), dtype=np.float32)
        for row, scores in enumerate(log_probs):
            padded[row, :, : len(scores)] = scores + added[:, None]
        # One Viterbi pass for all biases: a step costs little more for many rows than for few.
        flat = padded.reshape(lengths.size * len(biases), *padded.shape[2:])
        found = tags.viterbi(flat, lengths.repeat(len(biases)), self.adjacent).reshape(padded.shape[:3])
        return [tag_ids[:, :length] for tag_ids, length in zip(found, lengths, strict=True)]

    def log_probs(self, run: list[Note]) -> tuple[Edges, list[np.ndarray]]:
        """Return the word offsets of every note, and the log-probabilities (words, tags) of its words' tags."""
        import torch

        cut = windows.cut(run, self.tokenizer, self.length, self.overlap)
        result = [np.zeros((len(word_edges), len(self.names)), dtype=np.float32) for word_edges in cut.edges]
        device = self.model.device
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            for batch in windows.batches(cut.windows, lambda window: len(window.input_ids), TOKENS):
                ids = {"input_ids": [window.input_ids for window in batch]}
                padded = self.tokenizer.pad(ids, padding_side="right", return_tensors="pt").to(device)
                scores = self.model(**padded).logits.float().log_softmax(dim=-1).cpu().numpy()
                for row, window in enumerate(batch):
                    result[window.note][window.words] = scores[row, window.positions]
        return cut.edges, result


class Vote(Tagger):
    """An ensemble of taggers with the same base and tags, whose word probabilities are averaged before decoding."""

    def __init__(self, members: Sequence[Tagger]):
        first = members[0]
        adjacent = float(np.mean([member.adjacent for member in members]))
        super().__init__(first.model, first.tokenizer, first.length, first.overlap, adjacent, first.precision)
        self.members = members

    def log_probs(self, run: list[Note]) -> tuple[Edges, list[np.ndarray]]:
        """Return the word offsets of every note, and the logarithm of its words' mean probabilities (words, tags)."""
        each = [member.log_probs(run) for member in self.members]
        edges, by_member = each[0][0], zip(*(scores for _, scores in each), strict=True)
        return edges, [np.logaddexp.reduce(scores) - np.float32(np.log(len(each))) for scores in by_member]


def label_probs(log_probs: np.ndarray, tag_ids: np.ndarray) -> np.ndarray:
    """Return the probability of every word's label, (words,): B and I together."""
    probs = np.exp(log_probs)
    by_label = np.concatenate([probs[:, :1], probs[:, 1::2] + probs[:, 2::2]], axis=1)
    return np.take_along_axis(by_label, (tag_ids[:, None] + 1) // 2, axis=1)[:, 0]
