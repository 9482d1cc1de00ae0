"""Pretrain a language model on a mixture: a decoder causally, an encoder by masking.

DVC stage pretraining_pretrain.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from stages.shared import draws, lineage, models, notes, packing, params, training
from stages.shared.console import say
from stages.shared.errors import UserError, run
from stages.shared.notes import Note
from stages.shared.outputs import building, read_json, write_json
from stages.shared.scratch import fingerprint, scratch
from stages.shared.tracking import track

Kind = Literal["decoder", "encoder"]


# Metrics of a model that nothing is added to.
_UNTRAINED: dict[str, Any] = {
    "learning_rate": None,
    "validation_loss": None,
    "best_step": 0,
    "curve": [],
    "steps": 0,
    "tokens_trained": 0,
    "real_share": None,
    "unique_tokens": 0,
    "passes": 0.0,
    "texts": 0,
    "validation_texts": 0,
}


class Pretrain(training.Optimisation):
    """Section pretraining.pretrain; `learning_rate` is the first of those that are tried."""

    start: Literal["scratch", "base"]
    context: int = Field(ge=8)
    epochs: float = Field(gt=0)
    mask: float = Field(gt=0, lt=1)
    other_rates: list[float]
    validation: float = Field(gt=0, lt=1)
    evaluations: int = Field(ge=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", required=True, choices=["decoder", "encoder"], help="which model")
    parser.add_argument(
        "--base", required=True, help="base model: its tokenizer, and its weights or only its config"
    )
    parser.add_argument("--mixture", required=True, help="note table written by pretraining_mix")
    parser.add_argument("--mixed", required=True, help="metrics file of pretraining_mix")
    parser.add_argument("--seed", required=True, type=int, help="seed of weights, order and masks")
    parser.add_argument(
        "--out", required=True, help="folder to write: a Hugging Face model, and lineage.json"
    )
    parser.add_argument("--metrics", required=True, help="JSON file to write: budget, curve, learning rate")
    args = parser.parse_args()
    settings = params.load(Pretrain, "pretraining.pretrain")
    models.resolve(args.base)
    repeat = read_json(args.mixed)["repeat"]
    kind, mixture, corpus, fold, seed = Path(args.out).parts[-5:]
    cell = "-".join([corpus, kind, mixture, fold, seed])
    tags = {"corpus": corpus, "kind": kind, "mixture": mixture, "fold": fold, "seed": seed}
    key = fingerprint(settings, args.kind, args.seed, repeat, inputs=[args.base, args.mixture])
    with (
        scratch("pretraining/pretrain", key) as folder,
        track("pretraining/pretrain", cell, settings, tags) as run_,
        building(args.out) as out,
    ):
        result = pretrain(args.kind, args.base, args.mixture, repeat, settings, args.seed, folder, out, run_)
        write_json(args.metrics, result)
    say(
        f"{cell}: {result['tokens_trained']} tokens at learning rate {result['learning_rate']:g}, validation loss "
        f"{result['validation_loss']:.3f}"
        if result["steps"]
        else f"{cell}: the base model as it is"
    )


def pretrain(
    kind: Kind,
    base: str | Path,
    mixture: str | Path,
    repeat: float,
    settings: Pretrain,
    seed: int,
    folder: Path,
    out: Path,
    run_: Any,
) -> dict[str, Any]:
    """Write the model with the lowest validation loss over the learning rates to `out`; return budget and curve.

    The mixture is its own validation: a share of its groups, which nothing learns from. An empty mixture leaves the
    base model as it is.
    """
    tokenizer = models.load_tokenizer(base)
    if notes.count(mixture) == 0:
        start(kind, base, "base", seed).save_pretrained(out)
        tokenizer.save_pretrained(out)
        lineage.write(out, lineage.read(base))
        return _UNTRAINED
    learnt, held = divided(notes.read(mixture), settings.validation)
    tokens, checked = (packing.tokenise((note.text for note in side), tokenizer) for side in (learnt, held))
    steps = packing.steps(tokens, settings.context, settings.batch, settings.epochs * repeat)
    masking = packing.Masking.of(tokenizer, settings.mask) if kind == "encoder" else None
    best: dict[str, Any] = {}
    for rate in (settings.learning_rate, *settings.other_rates):
        model = start(kind, base, settings.start, seed)
        context = min(
            settings.context, getattr(model.config, "max_position_embeddings", None) or settings.context
        )
        fitted = training.fit(
            model.to(models.device()),
            packing.Stream(tokens, context, steps * settings.batch, seed, masking),
            settings.model_copy(update={"learning_rate": rate}),
            steps,
            seed,
            folder / f"{rate:g}",
            run_,
            label=f"pretraining the {kind}",
            select=packing.Blocks(checked, context, masking),
            evaluations=settings.evaluations,
        )
        step, loss = fitted.best
        if not best or loss < best["validation_loss"]:
            best = {
                "learning_rate": rate,
                "validation_loss": round(loss, 6),
                "best_step": step,
                "curve": [{"step": at, "loss": round(value, 6)} for at, value in fitted.evaluations],
            }
            out.mkdir(exist_ok=True)
            model.to("cpu").save_pretrained(out)
    tokenizer.save_pretrained(out)
    lineage.write(out, lineage.read(base) | lineage.trained_on(lineage.read(mixture)))
    positions = steps * settings.batch * context
    return best | {
        "steps": steps,
        "tokens_trained": positions,
        # BOS and EOS of each text; nothing is padded.
        "real_share": round(1 - 2 * tokens.documents / len(tokens.ids), 6),
        "unique_tokens": len(tokens.ids) - 2 * tokens.documents,
        "passes": round(positions / len(tokens.ids), 3),
        "texts": tokens.documents,
        "validation_texts": checked.documents,
    }


def divided(of: Iterable[Note], share: float) -> tuple[list[Note], list[Note]]:
    """Texts to learn from and texts to validate on, by group; at least one group on either side."""
    every = list(of)
    groups = draws.positions(dict.fromkeys(sorted({note.group_id for note in every}), 1), "validation")
    if len(groups) < 2:
        raise UserError("the mixture holds texts of one group only, so none is left to validate on")
    bound = max(share, min(groups.values()) + 1e-9)
    return [n for n in every if groups[n.group_id] >= bound], [n for n in every if groups[n.group_id] < bound]


def start(kind: Kind, base: str | Path, how: str, seed: int) -> Any:
    """The model before training: the base's weights, or random ones of its config, drawn by the seed."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

    if how == "base":
        return models.load_decoder(base) if kind == "decoder" else models.load_masked(base)
    models.hush()
    torch.manual_seed(seed)
    family = AutoModelForCausalLM if kind == "decoder" else AutoModelForMaskedLM
    return family.from_config(AutoConfig.from_pretrained(models.resolve(base)), dtype=torch.float32)


if __name__ == "__main__":
    run(main)
