"""Train a de-identification model on one arm's notes; the stage cannot tell the arms apart (ner_train)."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from stages.ner import windows
from stages.ner.model import SETTINGS, Tagger
from stages.shared import lineage, models, notes, params, scoring, tags, training, units
from stages.shared.budget import Budget
from stages.shared.console import say
from stages.shared.errors import UserError, run
from stages.shared.notes import Note
from stages.shared.outputs import building, write_json
from stages.shared.scratch import fingerprint, scratch
from stages.shared.tracking import track

# Batches are cut from runs of this many, sorted by length within a run: little padding, still shuffled.
_BUCKET = 16


class Train(Budget, training.Optimisation):
    """Section ner.train."""

    unit: units.Unit
    piece_words: int = Field(ge=8)
    length: int = Field(ge=16)
    overlap: int = Field(ge=0)
    hidden: float = Field(ge=0, lt=1)
    probes: int = Field(ge=1)

    @model_validator(mode="after")
    def _windows_fit(self) -> "Train":
        if self.overlap * 2 > self.length:
            raise ValueError("overlap must be at most half of length")
        return self


def main() -> None:
    args = parser(__doc__).parse_args()
    settings = params.load(Train, "ner.train")
    arm, corpus, fold, seed = Path(args.out).parts[-4:]
    base = models.of_cell(args.base, fold, seed)
    models.resolve(base)
    if not notes.count(args.notes):
        raise UserError(f"{args.notes}: no notes to train on; give its share more in params.yaml")
    key = fingerprint(settings, args.seed, inputs=[base, args.notes, args.select])
    axes = {"corpus": corpus, "arm": arm, "fold": fold, "seed": seed}
    with (
        scratch("ner/train", key) as checkpoints,
        track("ner/train", f"{corpus} {arm} fold {fold} seed {seed}", settings, axes) as run_,
        building(args.out) as out,
    ):
        result = train(base, args.notes, args.select, settings, args.seed, checkpoints, out, run_)
        write_json(args.metrics, result)
    say(f"{corpus} {arm}: {result['steps']} steps, strict F1 on select notes {last_f1(result)}")


def parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments that every stage takes which trains a tagger."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument(
        "--base", required=True, help="folder of the base encoder, or of pretrained ones by fold and seed"
    )
    arguments.add_argument("--notes", required=True, help="note table to train on: an arm's share")
    arguments.add_argument("--select", required=True, help="note table that learning curves are watched on")
    arguments.add_argument(
        "--seed", required=True, type=int, help="seed of the new head, the order and dropout"
    )
    arguments.add_argument("--out", required=True, help="folder to write: model, tokenizer, lineage.json")
    arguments.add_argument("--metrics", required=True, help="JSON file to write: what was spent and reached")
    return arguments


def train(
    base: str | Path,
    table: str | Path,
    select: str | Path,
    settings: Train,
    seed: int,
    checkpoints: Path,
    out: Path,
    run_: Any,
) -> dict[str, Any]:
    """Write the trained model to `out`; return the budget spent and the curve of loss and select F1.

    The select notes' F1 is watched and never acted on: every arm trains for the budget given.
    """
    import torch

    tokenizer = models.load_tokenizer(base)
    learned = list(units.units(notes.read(table), settings.unit, settings.piece_words))
    names = tags.tag_names(span.label for note in learned for span in note.spans)
    if settings.hidden and tokenizer.mask_token_id is None:
        raise UserError("params.yaml: ner.train.hidden needs a tokenizer with a mask token; set it to 0")
    if len(names) == 1:
        raise UserError(f"{table}: none of the notes is tagged; NER needs tags to learn from")
    examples = make_examples(learned, tokenizer, names, settings)
    steps = settings.steps or max(1, round(settings.epochs * len(examples) / settings.batch))
    torch.manual_seed(seed)
    model = models.load_encoder(base, names).to(models.device())
    longest = min(
        tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", settings.length)
    )
    if settings.length > longest:
        raise UserError(f"params.yaml: ner.train.length is {settings.length}; {base} reads at most {longest}")
    reading = {
        "length": settings.length,
        "overlap": settings.overlap,
        "adjacent": tags.adjacency(tags.encode(note.spans, tags.words(note.text)) for note in learned),
    }
    tagger = Tagger(model, tokenizer, **reading, precision=settings.precision)
    watched = list(notes.read(select))

    fitted = training.fit(
        model,
        Order(examples, settings.batch, steps * settings.batch, seed, settings.hidden, tokenizer),
        settings,
        steps,
        seed,
        checkpoints,
        run_,
        label="training",
        evaluations=settings.probes,
        collate=training.Padded(tokenizer.pad_token_id),
        probe=lambda: {"select_f1": strict_f1(tagger, watched)},
    )
    out.mkdir()
    model.to("cpu").save_pretrained(out)
    tokenizer.save_pretrained(out)
    write_json(out / SETTINGS, reading)
    lineage.write(out, lineage.read(base) | lineage.trained_on(lineage.read(table)))
    return {
        "steps": fitted.steps,
        "epochs": round(fitted.steps * settings.batch / len(examples), 3),
        "notes": notes.count(table),
        "words": sum(notes.words(note.text) for note in learned),
        "spans": sum(len(note.spans) for note in learned),
        "windows": len(examples),
        "labels": names[1::2],
        "curve": fitted.probes,
    }


def strict_f1(tagger: Tagger, gold: list[Note]) -> float | None:
    """On tagged notes, rounded; None where neither side has a span."""
    counts = scoring.count(zip(gold, tagger.tag(gold), strict=True))
    return scoring.rounded(scoring.strict_f1(counts.total()))


def last_f1(result: dict[str, Any]) -> str:
    """Strict F1 on the select notes when a training ended, in words."""
    last = result["curve"][-1]["select_f1"]
    return "-" if last is None else f"{last:.3f}"


def make_examples(learned: list[Note], tokenizer: Any, names: list[str], settings: Train) -> list[dict]:
    """Windows as `input_ids` and `labels`: the tag number at each word's first subword, `training.IGNORED` elsewhere.

    Windows overlap, yet each word is learnt from in one of them, where it has most context.
    """
    number_of = {name: number for number, name in enumerate(names)}
    cut = windows.cut(learned, tokenizer, settings.length, settings.overlap)
    gold = [
        np.array([number_of[tag] for tag in tags.encode(note.spans, edges)], dtype=np.int64)
        for note, edges in zip(learned, cut.edges, strict=True)
    ]
    examples = []
    for window in cut.windows:
        if not len(window.words):  # the loss would be a mean of nothing
            continue
        labels = np.full(len(window.input_ids), training.IGNORED, dtype=np.int64)
        # Words that share a subword: the first one's tag counts.
        labels[window.positions[::-1]] = gold[window.note][window.words[::-1]]
        examples.append({"input_ids": np.array(window.input_ids, dtype=np.int64), "labels": labels})
    return examples


class Order(Sequence):
    """`total` examples: pass after pass over `examples`, shuffled, those of a batch of similar length.

    Each pass takes every example once; the batch in which a pass ends and the next begins is of any lengths.
    A share `hidden` of the subwords (never `tokenizer`'s special ones) is replaced by its mask, others at each pass:
    what a name looks like is hidden now and then, so that the words around it have to tell.
    """

    def __init__(
        self,
        examples: list[dict],
        batch: int,
        total: int,
        seed: int,
        hidden: float = 0.0,
        tokenizer: Any = None,
    ):
        self.examples, self.seed, self.hidden = examples, seed, hidden
        if hidden:
            self.mask, self.special = tokenizer.mask_token_id, tokenizer.all_special_ids
        lengths = np.array([len(example["input_ids"]) for example in examples])
        rng = np.random.default_rng(seed)
        order: list[int] = []
        while len(order) < total:
            drawn = rng.permutation(len(examples))
            first = -len(order) % batch  # these complete the batch that the pass before left open
            last = first + max(0, len(drawn) - first) // batch * batch
            order.extend(drawn[:first])
            batches: list[np.ndarray] = []
            for start in range(first, last, batch * _BUCKET):
                run_ = drawn[start : min(start + batch * _BUCKET, last)]
                run_ = run_[np.argsort(lengths[run_], kind="stable")]
                batches += np.split(run_, len(run_) // batch)
            for place in rng.permutation(len(batches)):
                order.extend(batches[place])
            order.extend(drawn[last:])
        self.order = order[:total]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> dict:
        example = self.examples[self.order[place]]
        if not self.hidden:
            return example
        ids = example["input_ids"]
        hidden = np.random.default_rng([self.seed, place]).random(len(ids)) < self.hidden
        hidden &= ~np.isin(ids, self.special)
        return {**example, "input_ids": np.where(hidden, self.mask, ids)}


if __name__ == "__main__":
    run(main)
