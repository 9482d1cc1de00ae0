"""Useful tokens per second: our packed training against the stock Trainer with padded batches, on one model."""

import argparse
import copy
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, TOLERANCE, alternate, markdown, report, same_threads
from stages.lm import models, packing, training
from stages.lm.optimisation import Optimisation
from stages.lm.packing import Documents
from stages.notes import note_table
from stages.runtime.errors import UserError, run
from stages.runtime.tracking import Tracker

SEED = 1
OPTIMISER = {"learning_rate": 1e-4, "weight_decay": 0.01}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", required=True, help="folder of a decoder; all its weights are trained")
    parser.add_argument("--notes", required=True, help="note table to train on")
    parser.add_argument("--context", type=int, default=1024, help="most tokens of a sequence")
    parser.add_argument("--batch", type=int, default=8, help="sequences in a step, all passed at once")
    parser.add_argument("--steps", type=int, default=8, help="optimiser steps of each run")
    parser.add_argument("--repeats", type=int, default=3, help="times each variant runs; medians are printed")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="arithmetic of both")
    parser.add_argument("--out", default=RESULTS, help="folder for the record")
    args = parser.parse_args()
    same_threads()
    tokenizer = models.load_tokenizer(args.base)
    model = models.load_decoder(args.base).to(models.device())
    positions = models.context(model.config)
    if args.context > positions:
        raise UserError(f"{args.base}: has {positions} positions; give a --context of at most that")
    with tempfile.TemporaryDirectory() as folder:
        texts = (note.text for note in note_table.read(args.notes))
        documents = packing.tokenise(lambda: texts, tokenizer, Path(folder))
        if not len(documents):
            raise UserError(f"{args.notes}: no notes to train on")
        result = measure(
            model, tokenizer, documents, args.context, args.batch, args.steps, args.repeats, args.precision
        )
    report("lm_adaptation", table(result), result, args.out)


def measure(
    model: Any,
    tokenizer: Any,
    documents: Documents,
    context: int,
    batch: int,
    steps: int,
    repeats: int,
    precision: str = "fp32",
) -> dict[str, Any]:
    """Rates, useful shares and checks; every run trains a fresh copy of `model`.

    UserError if the two would not read the same tokens, or if padding changes what the model predicts.
    """
    collate = collator(tokenizer)
    chunks = cut(documents, context)
    check_tokens(documents, chunks, context)
    difference = check_logits(model, collate, chunks[:batch])
    # The whole batch passes through the model at once, as in the stock run.
    os.environ["DEIDSYNTH_MICRO_BATCH"] = str(batch)
    settings = Optimisation(batch=batch, optimizer="adamw", warmup=0.0, precision=precision, **OPTIMISER)
    read: dict[str, list[int]] = {"ours, packed": [0, 0], "stock, padded": [0, 0]}
    seeds = {name: iter(range(SEED, SEED + repeats)) for name in read}

    def variant(name: str, train: Callable[[Any, int, Path], None]) -> Callable[[], float]:
        def once() -> float:
            before = read[name][0]
            with tempfile.TemporaryDirectory() as folder, counted(copies[name], read[name]):
                train(copies[name], next(seeds[name]), Path(folder))
            copies[name].load_state_dict(start)
            return read[name][0] - before

        return once

    def ours(fresh: Any, seed: int, folder: Path) -> None:
        stream = packing.Stream(documents, context, steps * batch, seed)
        # A probe of nothing: one checkpoint is written, at the end, as the stock Trainer does.
        training.fit(fresh, stream, settings, seed, folder, Tracker(), "packed", training.Probe(dict, 1))

    def stock(fresh: Any, seed: int, folder: Path) -> None:
        train_stock(fresh, chunks, collate, settings, steps, seed, folder)

    start = copy.deepcopy(model.state_dict())
    copies = {name: copy.deepcopy(model) for name in read}
    rates = alternate(
        {"ours, packed": variant("ours, packed", ours), "stock, padded": variant("stock, padded", stock)}, repeats
    )
    return {
        "useful_tokens_per_second": rates,
        "useful_share": {name: round(useful / total, 6) for name, (useful, total) in read.items()},
        "ratio": round(rates["ours, packed"] / rates["stock, padded"], 3),
        "checks": {"largest_logit_difference": difference, "tokens": documents.tokens},
        "settings": {
            "device": next(model.parameters()).device.type,
            "context": context,
            "batch": batch,
            "steps": steps,
            "repeats": repeats,
            "precision": precision,
            "documents": len(documents),
            "chunks": len(chunks),
            "parameters": sum(weight.numel() for weight in model.parameters()),
            **OPTIMISER,
        },
    }


def train_stock(
    model: Any,
    chunks: list[dict[str, list[int]]],
    collate: Any,
    settings: Optimisation,
    steps: int,
    seed: int,
    folder: Path,
) -> None:
    """Train as the Hugging Face course does: `Trainer`, random order, batches padded to their longest example."""
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_callback import PrinterCallback

    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder),
            max_steps=steps,
            per_device_train_batch_size=settings.batch,
            learning_rate=settings.learning_rate,
            lr_scheduler_type=settings.schedule,
            weight_decay=settings.weight_decay,
            bf16=settings.precision == "bf16",
            seed=seed,
            report_to="none",
            disable_tqdm=True,
            use_cpu=models.device() == "cpu",
            dataloader_pin_memory=models.device() != "cpu",
        ),
        train_dataset=chunks,
        data_collator=collate,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()


def collator(tokenizer: Any) -> Any:
    """The stock collator: pads to the longest in the batch."""
    from transformers import DataCollatorForLanguageModeling

    return DataCollatorForLanguageModeling(tokenizer, mlm=False)


def cut(documents: Documents, context: int) -> list[dict[str, list[int]]]:
    """Each document (BOS, text, EOS) as consecutive pieces of at most `context` tokens: nothing is truncated."""
    return [
        {"input_ids": documents.read(start, min(start + context, end)).tolist()}
        for first, end in pairwise(documents.starts.tolist())
        for start in range(first, end, context)
    ]


@contextmanager
def counted(model: Any, read: list[int]) -> Iterator[None]:
    """Add to `read` the useful and all tokens that pass through `model` inside the block."""

    def count(_module, _args, inputs):
        total = inputs["input_ids"].numel()
        mask = inputs.get("attention_mask")
        read[0] += total if mask is None else int(mask.sum())
        read[1] += total

    handle = model.register_forward_pre_hook(count, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def check_tokens(documents: Documents, chunks: Sequence[dict[str, list[int]]], context: int) -> None:
    """UserError unless one pass of either run reads the same tokens equally often."""
    stream = packing.Stream(documents, context, -(-documents.tokens // packing.new_tokens(context)), SEED)
    # The first token of a block is read a second time, or BOS in its place.
    first, *others = (stream[block]["input_ids"] for block in range(len(stream)))
    packed = np.concatenate([first, *(block[1:] for block in others)])[: documents.tokens]
    padded = np.concatenate([chunk["input_ids"] for chunk in chunks])
    if not np.array_equal(np.sort(packed), np.sort(padded)):
        raise UserError("wrong result: a pass of the packed and of the padded run are not the same tokens")


def check_logits(model: Any, collate: Any, chunks: Sequence[dict[str, list[int]]]) -> float:
    """Largest difference between the logits of padded and of single chunks; UserError when more than rounding.

    Rounding is a share of the largest logit.
    """
    import torch

    model.eval()
    device = next(model.parameters()).device
    batch = {name: values.to(device) for name, values in collate(list(chunks)).items() if name != "labels"}
    difference = 0.0
    with torch.inference_mode():
        padded = model(**batch).logits
        for chunk, row, mask in zip(chunks, padded, batch["attention_mask"], strict=True):
            single = model(input_ids=torch.tensor([chunk["input_ids"]], device=device)).logits[0]
            difference = max(difference, float((row[mask.bool()] - single).abs().max()))
    # Logits of pretrained models are large, and so is what float32 rounds off.
    largest = float(padded[batch["attention_mask"].bool()].abs().max())
    if not difference <= TOLERANCE * max(1.0, largest):
        raise UserError(f"wrong result: padding changes logits by {difference:.2g}")
    return round(difference, 9)


def table(result: dict[str, Any]) -> str:
    """Rates, shares and the ratio."""
    rates, shares = result["useful_tokens_per_second"], result["useful_share"]
    stock = rates["stock, padded"]
    rows = [
        [name, f"{rate:.0f}", f"{100 * shares[name]:.1f} %", f"{rate / stock:.2f}"] for name, rate in rates.items()
    ]
    return markdown(["LM adaptation", "useful tokens/s", "useful share", "x stock"], rows)


if __name__ == "__main__":
    run(main)
