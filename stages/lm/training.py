"""One training loop for every model: Hugging Face's Trainer, resumable, with the best checkpoint restored."""

import inspect
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.lm import logits, models
from stages.lm.logits import IGNORED
from stages.lm.optimisation import Optimisation
from stages.runtime.console import progress
from stages.runtime.errors import UserError
from stages.runtime.outputs import read_json
from stages.runtime.tracking import Tracker

# Checkpoints of a training without a monitor.
_CHECKPOINTS = 10


class Selection(NamedTuple):
    """Keep the weights with the lowest loss on `examples`, which is measured `times` times, evenly spread.

    Training stops after `patience` measurements without a new minimum; None: never.
    """

    examples: Sequence[dict[str, Any]]
    times: int
    patience: int | None = None


class Probe(NamedTuple):
    """Measure the model `times` times, evenly spread. The numbers are logged and never acted on."""

    measure: Callable[[], dict[str, Any]]
    times: int


class Fitted(NamedTuple):
    """What a training did, in how many steps."""

    steps: int
    evaluations: list[tuple[int, float]]
    """Step and mean loss of every measurement of a `Selection`."""
    probes: list[dict[str, Any]]
    """`step`, `train_loss` and numbers of every measurement of a `Probe`."""

    @property
    def best(self) -> tuple[int, float]:
        """Step and loss of the measurement whose weights were kept; ValueError without a `Selection`."""
        return min(self.evaluations, key=lambda entry: (entry[1], entry[0]))


def fit(
    model: Any,
    examples: Sequence[dict[str, Any]],
    settings: Optimisation,
    seed: int,
    folder: Path,
    run: Tracker,
    label: str,
    monitor: Selection | Probe | None = None,
    collate: Any = None,
) -> Fitted:
    """Train `model` in place on the examples in their order, once: one step for every `settings.batch` of them.

    Examples are dicts of numpy arrays; `collate` makes a batch of them (default: stack arrays of equal length).
    `folder` keeps checkpoints: the same call on the folder of a killed training resumes from its last complete
    checkpoint and ends with the same weights (on the same kind of device, with as many threads). `label` names the
    training on the progress bar; losses go to `run`. Runs on all processes of torchrun. DEIDSYNTH_MICRO_BATCH
    examples (default: 4) pass through the model at once, and DEIDSYNTH_GRADIENT_CHECKPOINTING=1 computes what lies
    between layers again instead of keeping it. Both affect rounding only.
    """
    from transformers import Trainer, TrainingArguments, default_data_collator
    from transformers.trainer_callback import PrinterCallback

    from stages.lm.muon import Muon

    models.quieten()
    steps = len(examples) // settings.batch
    if not steps:
        raise ValueError(f"{len(examples)} examples are too few for a step of {settings.batch}")
    every = max(1, steps // (monitor.times if monitor is not None else _CHECKPOINTS))
    select = monitor.examples if isinstance(monitor, Selection) else None
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
        gradient_checkpointing=_gradient_checkpointing(model),
        gradient_checkpointing_kwargs={"use_reentrant": False},
        seed=seed,
        train_sampling_strategy="sequential",
        eval_strategy="steps" if select is not None else "no",
        eval_steps=every,
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=select is not None,
        prediction_loss_only=True,
        logging_steps=max(1, steps // 100),
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=not on_cpu,
        use_cpu=on_cpu,
    )

    class WholeBatch(Trainer):
        """For a model that returns the mean loss of each micro-batch: weighs it by the micro-batch's share of labels.

        Trainer divides a batch's summed loss by its labels through `num_items_in_batch`, which many heads accept and
        ignore: their gradients would be multiplied by the number of micro-batches.
        """

        loss_is_scaled_for_ga = True

        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None):
            outputs = model(**inputs)
            labels = inputs["labels"].ne(IGNORED).sum()
            weight = 1 if num_items_in_batch is None else labels / num_items_in_batch * self.accelerator.num_processes
            return (outputs.loss * weight, outputs) if return_outputs else outputs.loss * weight

    collate = collate or default_data_collator
    first = collate([examples[number] for number in range(micro)])
    if not logits.fit_at_once(model, first["input_ids"].numel()):
        logits.slice_loss(model)
    ignored = micro < settings.batch and _ignores_count(model, first)
    muon = settings.optimizer == "muon"
    trainer: Any = (WholeBatch if ignored else Trainer)(
        model=model,
        args=arguments,
        train_dataset=examples,
        eval_dataset=select,
        data_collator=collate,
        callbacks=_callbacks(run, label, settings.batch, monitor, every),
        optimizers=(Muon(model, settings.learning_rate, settings.weight_decay) if muon else None, None),
    )
    if ignored:
        trainer.model_accepts_loss_kwargs = True  # or it would not count the labels
    # Counting floating-point operations takes 5 % of a small model's step.
    trainer.floating_point_ops = lambda inputs: 0
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=_last_checkpoint(folder))
    history = trainer.state.log_history
    return Fitted(
        trainer.state.global_step,
        [(row["step"], row["eval_loss"]) for row in history if "eval_loss" in row],
        [row["probe"] for row in history if "probe" in row],
    )


def _ignores_count(model: Any, batch: dict[str, Any]) -> bool:
    """Whether a model returns the mean loss of a batch, whatever `num_items_in_batch` says."""
    import torch

    forward = inspect.signature(logits.model_itself(model).forward)
    if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in forward.parameters.values()):
        return True
    training, batch = model.training, {name: values.to(model.device) for name, values in batch.items()}
    with torch.no_grad():
        model.eval()
        once, twice = (model(**batch, num_items_in_batch=torch.tensor(count)).loss for count in (1, 2))
    model.train(training)
    return torch.equal(once, twice)


def _callbacks(run: Tracker, label: str, batch: int, monitor: Any, every: int) -> list[Any]:
    from transformers import TrainerCallback

    class Progress(TrainerCallback):
        """A progress bar in examples; every logged number also goes to `run`."""

        def on_train_begin(self, args, state, control, **_):
            self.bar = progress(total=state.max_steps * batch, unit="ex", label=label)
            self.bar.update(state.global_step * batch)
            self.bar.unpause()

        def on_step_end(self, args, state, control, **_):
            self.bar.update(batch)

        def on_log(self, args, state, control, logs=None, **_):
            names = {"loss": "loss", "eval_loss": "select_loss", "grad_norm": "gradient_norm"}
            run.log({names[key]: value for key, value in (logs or {}).items() if key in names}, state.global_step)

        def on_train_end(self, args, state, control, **_):
            self.bar.close()

    class EarlyStopping(TrainerCallback):
        """Stop without a new minimum in the last `patience` losses; read from the log, which survives a kill."""

        def on_evaluate(self, args, state, control, **_):
            losses = [row["eval_loss"] for row in state.log_history if "eval_loss" in row]
            if losses and len(losses) - 1 - losses.index(min(losses)) >= monitor.patience:
                control.should_training_stop = True

        on_train_begin = on_evaluate

    class Measure(TrainerCallback):
        """Keep the probe's numbers in the trainer's log, which survives a kill."""

        def on_step_end(self, args, state, control, model=None, **_):
            if state.global_step % every and state.global_step != state.max_steps:
                return
            model.eval()
            numbers = monitor.measure()
            model.train()
            run.log(numbers, state.global_step)
            losses = [row["loss"] for row in state.log_history if "loss" in row]
            row = {"step": state.global_step, "train_loss": round(losses[-1], 6) if losses else None, **numbers}
            state.log_history.append({"step": state.global_step, "probe": row})

    if isinstance(monitor, Probe):
        return [Progress(), Measure()]
    return [Progress(), EarlyStopping()] if monitor and monitor.patience is not None else [Progress()]


def epochs(examples: Any, total: int, seed: int) -> Any:
    """`total` examples: epoch after epoch over all of them, each in an order of its own."""
    from torch.utils.data import Subset

    generator, size = np.random.default_rng(seed), len(examples)
    orders = [generator.permutation(size) for _ in range(-(-total // size))]
    return Subset(examples, np.concatenate(orders)[:total].tolist())


def padded(tokenizer: Any) -> Any:
    """A collator that pads `input_ids` and `labels`, one label per token, to the longest example of a batch."""
    from transformers import DataCollatorForTokenClassification

    return DataCollatorForTokenClassification(tokenizer, label_pad_token_id=IGNORED)


def _micro_batch(batch: int) -> tuple[int, int]:
    """Examples per forward pass (the largest allowed divisor of a process's share of the batch), passes per step."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if batch % processes:
        raise UserError(
            f"a batch of {batch} cannot be shared by {processes} processes; start a number that divides it"
        )
    allowed = os.environ.get("DEIDSYNTH_MICRO_BATCH", "4")
    if not allowed.isdecimal() or not int(allowed):
        raise UserError("DEIDSYNTH_MICRO_BATCH is not a whole number above 0")
    share = batch // processes
    micro = max(size for size in range(1, min(share, int(allowed)) + 1) if share % size == 0)
    return micro, share // micro


def _gradient_checkpointing(model: Any) -> bool:
    """Whether the environment asks for it; UserError if the model cannot do it."""
    if os.environ.get("DEIDSYNTH_GRADIENT_CHECKPOINTING", "0") == "0":
        return False
    network = logits.model_itself(model)
    if not network.supports_gradient_checkpointing:
        raise UserError(
            f"{type(network).__name__} has no gradient checkpointing; unset DEIDSYNTH_GRADIENT_CHECKPOINTING and "
            "lower DEIDSYNTH_MICRO_BATCH"
        )
    return True


def _last_checkpoint(folder: Path) -> str | None:
    """The newest complete checkpoint; incomplete ones, left by a kill, are deleted."""
    from transformers.trainer_utils import get_last_checkpoint

    for path in folder.glob("checkpoint-*"):
        try:
            read_json(path / "trainer_state.json")  # Trainer writes this file last
        except (OSError, ValueError):
            shutil.rmtree(path)
    return get_last_checkpoint(str(folder)) if folder.is_dir() else None
