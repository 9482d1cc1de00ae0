"""A trained de-identification model: notes in, the same notes with predicted, scored spans out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.ner import windows
from stages.shared import tags
from stages.shared.errors import UserError
from stages.shared.notes import Note, batched
from stages.shared.outputs import read_json

# How a folder's model reads notes; written by ner_train beside the weights.
SETTINGS = "tagger.json"
# Instead of it, in the folder of several that vote; written by ner_ensemble beside folders 1, 2, ...
MEMBERS = "members.json"
# Notes in memory at once, and subwords a forward pass: chosen for speed, no effect on the result beyond rounding.
NOTES, TOKENS = 64, 8192


class Tagger:
    """A token-classification model with the windows it was trained on and constrained decoding."""

    def __init__(
        self, model, tokenizer, length: int, overlap: int, adjacent: float = 0.0, precision: str = "fp32"
    ):
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.length, self.overlap, self.adjacent = length, overlap, adjacent
        self.precision = precision
        self.names = [model.config.id2label[number] for number in range(model.config.num_labels)]

    @property
    def labels(self) -> list[str]:
        """What it tells apart, without B- and I-."""
        return sorted({name[2:] for name in self.names} - {""})

    @classmethod
    def load(cls, folder: str | Path, precision: str = "fp32") -> "Tagger":
        """The model in `folder`, on the device that DEIDSYNTH_DEVICE names (default: a GPU where there is one)."""
        from stages.shared import models

        if (Path(folder) / MEMBERS).is_file():
            number = read_json(Path(folder) / MEMBERS)["members"]
            return Vote(
                [Tagger.load(Path(folder) / str(member), precision) for member in range(1, number + 1)]
            )
        if not (Path(folder) / SETTINGS).is_file():
            raise UserError(f"{folder}: no model trained by ner_train here; run `dvc repro` to make it")
        settings = read_json(Path(folder) / SETTINGS)
        model, tokenizer = models.load_tagger(folder)
        return cls(model, tokenizer, **settings, precision=precision)

    def tag(self, notes: Iterable[Note]) -> Iterator[Note]:
        """The same notes in the same order with predicted spans, each scored by its least certain word."""
        for (tagged,) in self.sweep(notes, [{}]):
            yield tagged

    def sweep(
        self, notes: Iterable[Note], biases: Sequence[Mapping[str, float]]
    ) -> Iterator[tuple[Note, ...]]:
        """Each note tagged once per entry of `biases`, by one reading of the model.

        An entry holds nats that are added to a label's tags before decoding, and so favour it over O: above 0 more is
        hidden. Scores are the model's own, without the bias.
        """
        for run in batched(notes, NOTES):
            edges, log_probs = self.log_probs(run)
            lengths = np.array([len(word_edges) for word_edges in edges])
            added = np.array(
                [[bias.get(name[2:], 0.0) for name in self.names] for bias in biases], dtype=log_probs.dtype
            )
            # All biases in one go over the words: a step costs little more for many rows than for few.
            every = np.concatenate([log_probs + row for row in added])
            found = tags.viterbi(every, np.tile(lengths, len(biases)), self.adjacent)
            versions = [
                self._decoded(run, edges, log_probs, lengths, tag_ids)
                for tag_ids in found.reshape(len(biases), *log_probs.shape[:2])
            ]
            yield from zip(*versions, strict=True)

    def _decoded(self, run, edges, log_probs, lengths, tag_ids) -> list[Note]:
        chosen = label_probs(log_probs, tag_ids)
        return [
            replace(
                note,
                spans=tags.decode(tag_ids[row, :size], edges[row], self.names, chosen[row, :size]),
            )
            for row, (note, size) in enumerate(zip(run, lengths, strict=True))
        ]

    def log_probs(self, run: list[Note]) -> tuple[list[list[tuple[int, int]]], np.ndarray]:
        """Words of each note, and their log-probabilities (notes, words, tags), zero after a note's last word."""
        import torch

        cut = windows.cut(run, self.tokenizer, self.length, self.overlap)
        longest = max((len(word_edges) for word_edges in cut.edges), default=0)
        result = np.zeros((len(run), longest, len(self.names)), dtype=np.float32)
        pad = self.tokenizer.pad_token_id
        device = self.model.device
        autocast = torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with torch.inference_mode(), autocast:
            for batch in windows.batches(cut.windows, TOKENS):
                width = len(batch[-1].input_ids)
                ids = torch.full((len(batch), width), pad)
                mask = torch.zeros((len(batch), width), dtype=torch.long)
                for row, window in enumerate(batch):
                    ids[row, : len(window.input_ids)] = torch.tensor(window.input_ids)
                    mask[row, : len(window.input_ids)] = 1
                logits = self.model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
                scores = logits.float().log_softmax(dim=-1).cpu().numpy()
                for row, window in enumerate(batch):
                    result[window.note, window.words] = scores[row, window.positions]
        return cut.edges, result


class Vote(Tagger):
    """Taggers of the same base and tags that vote: each word's probabilities are averaged before decoding."""

    def __init__(self, members: Sequence[Tagger]):
        first = members[0]
        adjacent = float(np.mean([member.adjacent for member in members]))
        super().__init__(first.model, first.tokenizer, first.length, first.overlap, adjacent, first.precision)
        self.members = members

    def log_probs(self, run: list[Note]) -> tuple[list[list[tuple[int, int]]], np.ndarray]:
        """Words of each note, and the logarithm of their mean probabilities (notes, words, tags)."""
        each = [member.log_probs(run) for member in self.members]
        edges = each[0][0]
        return edges, np.logaddexp.reduce([scores for _, scores in each]) - np.float32(np.log(len(each)))


def label_probs(log_probs: np.ndarray, tag_ids: np.ndarray) -> np.ndarray:
    """Probability (notes, words) of each word's label, as B or as I: where a span begins is another question."""
    begin = np.where(tag_ids > 0, (tag_ids - 1) // 2 * 2 + 1, 0)
    pair = np.stack([begin, np.where(begin > 0, begin + 1, 0)], axis=2)
    probs = np.exp(np.take_along_axis(log_probs, pair, axis=2))
    return np.where(tag_ids > 0, probs.sum(axis=2), probs[..., 0])
