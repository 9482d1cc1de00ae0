"""One training loop for every language model: Hugging Face Trainer, resumable, the best checkpoint restored."""

import json
import math
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from stages.shared import models
from stages.shared.console import progress
from stages.shared.errors import UserError
from stages.shared.params import Section

# Label of a position that no loss is taken on.
IGNORED = -100
# Checkpoints of a training that is never evaluated.
_SAVES = 10


class Optimisation(Section):
    """How weights are changed: the settings every training shares."""

    batch: int = Field(ge=1)
    optimizer: Literal["adamw", "muon"]
    learning_rate: float = Field(gt=0)
    schedule: Literal["linear", "cosine", "constant"]
    warmup: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    precision: Literal["fp32", "bf16"]


class Fitted(NamedTuple):
    """What a training did: optimiser steps taken, (step, mean loss on the select part) of every evaluation, and
    per probe its step, its numbers and the `train_loss` then."""

    steps: int
    evaluations: list[tuple[int, float]]
    probes: list[dict[str, float]]

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and loss of the evaluation whose weights were kept."""
        return min(self.evaluations, key=lambda entry: (entry[1], entry[0]), default=None)


def fit(
    model: Any,
    examples: Sequence[dict[str, Any]],
    settings: Optimisation,
    steps: int,
    seed: int,
    folder: str | Path,
    run: Any,
    label: str,
    select: Sequence[dict[str, Any]] | None = None,
    evaluations: int = 1,
    patience: int | None = None,
    collate: Any = None,
    probe: Callable[[], dict[str, float]] | None = None,
) -> Fitted:
    """Train `model` in place for `steps` steps of `settings.batch` examples, taken in their order.

    With `select`, its loss is taken `evaluations` times, evenly spread; training stops after `patience` of them
    without a new best, and the best weights are restored. Without it nothing is chosen: `probe`, if there is one,
    is called as often and only watched. `folder` keeps checkpoints: the same call on a folder
    that a killed training left behind goes on from the last complete one, to the same weights (same device and
    thread count). Numbers go to `run.metrics`. Runs on all processes of torchrun; DEIDSYNTH_MICRO_BATCH examples
    (8) pass through the model at once, which changes results by rounding only.
    """
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_callback import PrinterCallback

    models.hush()
    if len(examples) < steps * settings.batch:
        raise ValueError(f"{len(examples)} examples are too few for {steps} steps of {settings.batch}")
    every = max(1, steps // (evaluations if select is not None or probe else _SAVES))
    micro, accumulation = _micro_batch(settings.batch)
    on_cpu = models.device() == "cpu"
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=micro,
        per_device_eval_batch_size=micro,
        gradient_accumulation_steps=accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant_with_warmup" if settings.schedule == "constant" else settings.schedule,
        warmup_steps=round(settings.warmup * steps),
        weight_decay=settings.weight_decay,
        bf16=settings.precision == "bf16",
        seed=seed,
        train_sampling_strategy="sequential",
        eval_strategy="steps" if select is not None else "no",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=select is not None,
        metric_for_best_model="loss",
        greater_is_better=False,
        prediction_loss_only=True,
        logging_steps=max(1, steps // 100),
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=not on_cpu,
        use_cpu=on_cpu,
    )

    class Uncounted(Trainer):
        """Trainer, without the count of operations that nobody reads: 5 % of a small model's step."""

        def floating_point_ops(self, inputs):
            return 0

    trainer = Uncounted(
        model=model,
        args=arguments,
        train_dataset=examples,
        eval_dataset=select,
        data_collator=collate or _stack,
        callbacks=_callbacks(run, patience, label, settings.batch, probe, every),
        optimizers=(_optimizer(model, settings), None),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=_last_checkpoint(Path(folder)))
    curve = [(row["step"], row["eval_loss"]) for row in trainer.state.log_history if "eval_loss" in row]
    probes = [row["probe"] for row in trainer.state.log_history if "probe" in row]
    return Fitted(trainer.state.global_step, curve, probes)


def _optimizer(model: Any, settings: Optimisation) -> Any:
    """The optimizer, or None for Trainer's own: AdamW."""
    from stages.shared.muon import Muon

    return (
        Muon(model, settings.learning_rate, settings.weight_decay) if settings.optimizer == "muon" else None
    )


def _callbacks(
    run: Any, patience: int | None, label: str, batch: int, probe: Callable | None, every: int
) -> list[Any]:
    from transformers import TrainerCallback

    class Progress(TrainerCallback):
        """A progress bar in examples, and every logged number to `run`."""

        def on_train_begin(self, args, state, control, **_):
            self.bar = progress(total=state.max_steps * batch, unit="ex", label=label)
            self.bar.update(state.global_step * batch)
            self.bar.unpause()

        def on_step_end(self, args, state, control, **_):
            self.bar.update(batch)

        def on_log(self, args, state, control, logs=None, **_):
            names = {"loss": "loss", "eval_loss": "select_loss", "grad_norm": "gradient_norm"}
            run.metrics(
                {names[key]: value for key, value in (logs or {}).items() if key in names}, state.global_step
            )

        def on_train_end(self, args, state, control, **_):
            self.bar.close()

    class Patience(TrainerCallback):
        """Stop when the last `patience` evaluations brought no new best; read from the log, so it survives a kill."""

        def on_train_begin(self, args, state, control, **_):
            self.on_evaluate(args, state, control)

        def on_evaluate(self, args, state, control, **_):
            losses = [row["eval_loss"] for row in state.log_history if "eval_loss" in row]
            if patience is not None and losses and len(losses) - 1 - losses.index(min(losses)) >= patience:
                control.should_training_stop = True

    class Probe(TrainerCallback):
        """Numbers of the model as it is now, kept in the trainer's log, so that they survive a kill."""

        def on_step_end(self, args, state, control, model=None, **_):
            if probe is None or (state.global_step % every and state.global_step != state.max_steps):
                return
            model.eval()
            numbers = probe()
            model.train()
            run.metrics(numbers, state.global_step)
            losses = [row["loss"] for row in state.log_history if "loss" in row]
            row = {
                "step": state.global_step,
                "train_loss": round(losses[-1], 6) if losses else None,
                **numbers,
            }
            state.log_history.append({"step": state.global_step, "probe": row})

    return [Progress(), Patience(), Probe()]


def passes(examples: Sequence[Any], total: int, seed: int) -> list[Any]:
    """At least `total` examples: pass after pass over all of them, each in an order of its own."""
    import numpy as np

    draw = np.random.default_rng(seed)
    orders = [draw.permutation(len(examples)) for _ in range(-(-total // len(examples)))]
    return [examples[number] for order in orders for number in order]


class Padded:
    """Examples of `input_ids` and `labels`, one per token, padded to the longest of them, with an attention mask."""

    def __init__(self, pad: int):
        self.pad = pad

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        import numpy as np
        import torch

        shape = len(examples), max(len(example["input_ids"]) for example in examples)
        batch = {
            "input_ids": np.full(shape, self.pad, dtype=np.int64),
            "labels": np.full(shape, IGNORED, dtype=np.int64),
            "attention_mask": np.zeros(shape, dtype=np.int64),
        }
        for row, example in enumerate(examples):
            size = len(example["input_ids"])
            batch["input_ids"][row, :size] = example["input_ids"]
            batch["labels"][row, :size] = example["labels"]
            batch["attention_mask"][row, :size] = 1
        return {name: torch.from_numpy(values) for name, values in batch.items()}


def _stack(examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    import numpy as np
    import torch

    return {key: torch.from_numpy(np.stack([row[key] for row in examples])) for key in examples[0]}


def _micro_batch(batch: int) -> tuple[int, int]:
    """Examples a pass and passes a step, of each process: the largest divisor of its batch that is allowed."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if batch % processes:
        raise UserError(f"batch {batch} cannot be shared by {processes} processes; start a divisor of it")
    try:
        allowed = int(os.environ.get("DEIDSYNTH_MICRO_BATCH", "8"))
    except ValueError:
        allowed = 0
    if allowed < 1:
        raise UserError("DEIDSYNTH_MICRO_BATCH is not a whole number above 0")
    share = batch // processes
    micro = max(size for size in range(1, min(share, allowed) + 1) if share % size == 0)
    return micro, share // micro


def _last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; those cut short by a kill are deleted."""
    complete: dict[int, Path] = {}
    for path in folder.glob("checkpoint-*"):
        try:
            # Trainer writes this file last.
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
            complete[int(path.name.rpartition("-")[2])] = path
        except (OSError, ValueError):
            shutil.rmtree(path)
    return str(complete[max(complete)]) if complete else None


def perplexity(loss: float) -> float:
    """exp(loss), finite for any loss."""
    return math.exp(min(loss, 700.0))
