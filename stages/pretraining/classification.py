"""Classification of texts, or pairs of texts, as a downstream task: each class is a span over the whole text."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from stages.lm import models, training
from stages.lm.optimisation import Optimisation, steps_of
from stages.notes import jsonl, note_table
from stages.notes.note_table import Note, Span
from stages.runtime.errors import UserError, at
from stages.runtime.stage import Run

# Batch size of prediction. Affects speed, and the result by rounding only.
_BATCH = 32


class FineTuning(Optimisation):
    """How a classifier is trained."""

    length: int = Field(ge=8)
    """Maximum length of a text, or a pair of texts, in subwords; the end of longer ones is cut off."""
    epochs: float = Field(gt=0)
    """Passes over the training texts."""


class Example(BaseModel):
    """A line of train.jsonl or test.jsonl. `pair` is a second text; without a `group`, each text is its own."""

    id: str
    text: str = Field(min_length=1)
    label: str = Field(min_length=1)
    pair: str = ""
    group: str | None = None


def classify(settings: FineTuning, encoder: Path, source: Path, seed: int, out: Path, run: Run) -> dict[str, int]:
    """Train on train.jsonl of `source`, and write test.jsonl as note tables gold and predicted to `out`.

    Returns the number of training notes, their words, and the optimiser steps.
    """
    import torch
    from transformers import DataCollatorWithPadding

    train, test = (list(read(source / f"{part}.jsonl")) for part in ("train", "test"))
    labels = sorted({example.spans[0].label for example in train})
    if len(labels) < 2:
        raise UserError(f"{source / 'train.jsonl'}: all texts have one label; there is nothing to tell apart")
    tokenizer = models.load_tokenizer(encoder)
    collate: Any = DataCollatorWithPadding(tokenizer)
    torch.manual_seed(seed)
    model = models.load_encoder(encoder, labels, "Sequence").to(models.device())
    examples = [
        {"input_ids": ids, "labels": labels.index(example.spans[0].label)}
        for example, ids in zip(train, encode(train, tokenizer, settings.length), strict=True)
    ]
    steps = steps_of(settings.epochs, len(examples), settings.batch)
    epochs = training.epochs(examples, steps * settings.batch, seed)
    training.fit(model, epochs, settings, seed, run.scratch, run, "training", collate=collate)
    model.eval()
    predicted = []
    with torch.inference_mode():
        for batch in note_table.batched(zip(test, encode(test, tokenizer, settings.length), strict=True), _BATCH):
            inputs = collate([{"input_ids": ids} for _, ids in batch]).to(model.device)
            scores, best = model(**inputs).logits.float().softmax(dim=-1).cpu().max(dim=-1)
            for (example, _), score, label in zip(batch, scores, best, strict=True):
                predicted.append(labelled(example, labels[label], score.item()))
    note_table.write(out / "gold", test)
    note_table.write(out / "predicted", predicted)
    words = sum(note_table.count_words(example.text) for example in train)
    return {"notes": len(train), "words": words, "steps": steps}


def read(path: Path) -> Iterator[Note]:
    """The examples of a JSONL file. The texts of a pair are joined by a form feed.

    UserError on a missing file, a malformed line or a repeated id.
    """
    seen = set()
    for number, line in jsonl.read(path, Example):
        if line.id in seen:
            raise UserError(f"{at(path, number)}: an earlier line has the same id")
        seen.add(line.id)
        text = f"{line.text}\f{line.pair}" if line.pair else line.text
        yield labelled(Note(line.id, line.id if line.group is None else line.group, text), line.label)


def labelled(example: Note, label: str, score: float | None = None) -> Note:
    """The example with its class as one span over all of its text."""
    return Note(example.note_id, example.group_id, example.text, (Span(0, len(example.text), label, score),))


def encode(examples: Sequence[Note], tokenizer: Any, length: int) -> list[list[int]]:
    """Token numbers of each text or pair, cut off after `length`."""
    firsts, _, seconds = zip(*(example.text.partition("\f") for example in examples), strict=True)
    pairs = list(seconds) if any(seconds) else None
    return tokenizer(list(firsts), pairs, truncation=True, max_length=length, verbose=False)["input_ids"]
