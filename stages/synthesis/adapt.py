"""Adapt the base decoder to the generator's share of the private notes (synthesis_adapt)."""

import argparse
import importlib.util
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from stages.shared import lineage, lm, models, notes, packing, params, training, units
from stages.shared.budget import Budget
from stages.shared.console import say
from stages.shared.errors import UserError, run
from stages.shared.outputs import building, write_json
from stages.shared.scratch import fingerprint, scratch
from stages.shared.tracking import track

# What generation has to know of the adaptation, beside the weights.
SETTINGS = "adaptation.json"


class Lora(params.Section):
    """Low-rank adapters on all linear layers."""

    r: int = Field(ge=1)
    alpha: float = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    embeddings: bool


class Adapt(Budget, training.Optimisation):
    """Section synthesis.adapt."""

    method: Literal["lora", "qlora", "full", "none"]
    lora: Lora
    unit: units.Unit
    piece_words: int = Field(ge=8)
    context: int = Field(ge=8)
    evaluations: int = Field(ge=1)
    patience: int | None = Field(ge=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", required=True, help="folder of the base decoder")
    parser.add_argument("--notes", required=True, help="note table to adapt to: the generator's share")
    parser.add_argument("--select", required=True, help="note table for early stopping")
    parser.add_argument("--seed", required=True, type=int, help="seed of adapter weights, order and dropout")
    parser.add_argument(
        "--out", required=True, help="folder to write: an adapter or a whole model, and lineage.json"
    )
    parser.add_argument(
        "--metrics", required=True, help="JSON file to write: loss on select notes, before and after"
    )
    args = parser.parse_args()
    settings = params.load(Adapt, "synthesis.adapt")
    models.resolve(args.base)
    if settings.method == "qlora" and importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            "params.yaml: synthesis.adapt.method is qlora, which needs bitsandbytes: `pip install .[qlora]`, or "
            "choose lora"
        )
    notes.count(args.select)
    if not notes.count(args.notes):
        settings = settings.model_copy(update={"method": "none"})
    corpus, fold, seed = Path(args.out).parts[-3:]
    key = fingerprint(settings, args.seed, inputs=[args.base, args.notes, args.select])
    tags = {"corpus": corpus, "fold": fold, "seed": seed}
    with (
        scratch("synthesis/adapt", key) as checkpoints,
        track("synthesis/adapt", "-".join([corpus, fold, seed]), settings, tags) as run_,
        building(args.out) as out,
    ):
        result = adapt(args.base, args.notes, args.select, settings, args.seed, checkpoints, out, run_)
        run_.metrics({key: result[key] for key in ("before", "after", "steps", "tokens", "notes")})
        write_json(args.metrics, result)
    after = result["after"]
    say(
        f"{settings.method}: perplexity on select notes {result['before']['perplexity']:.2f} -> "
        f"{after['perplexity']:.2f}, bits per byte {result['before']['bits_per_byte']:.3f} -> "
        f"{after['bits_per_byte']:.3f}"
    )


def adapt(
    base: str | Path,
    train: str | Path,
    select: str | Path,
    settings: Adapt,
    seed: int,
    checkpoints: Path,
    out: Path,
    run_: Any,
) -> dict[str, Any]:
    """Write the adapted model (for LoRA its adapter) to `out`; return losses and counts."""
    import torch

    tokenizer = models.load_tokenizer(base)
    select_texts = [
        note.text for note in units.units(notes.read(select), settings.unit, settings.piece_words)
    ]
    if not select_texts:
        raise UserError(f"{select}: no select notes; give corpora.split a larger share for select")
    torch.manual_seed(seed)
    model = _prepare(base, settings)
    context = _context(model, settings.context)
    before = lm.summary(lm.losses(model, tokenizer, select_texts, context))
    result = {
        "before": before,
        "after": before,
        "steps": 0,
        "tokens": 0,
        "notes": 0,
        "method": settings.method,
    }
    reads = lineage.read(base)
    out.mkdir()
    if settings.method != "none":
        texts = (note.text for note in units.units(notes.read(train), settings.unit, settings.piece_words))
        tokens = packing.tokenise(texts, tokenizer)
        steps = settings.steps or packing.steps(tokens, context, settings.batch, settings.epochs)
        fitted = training.fit(
            model,
            packing.Stream(tokens, context, steps * settings.batch, seed),
            settings,
            steps,
            seed,
            checkpoints,
            run_,
            label="adapting",
            select=packing.Blocks(packing.tokenise(select_texts, tokenizer), context),
            evaluations=settings.evaluations,
            patience=settings.patience,
        )
        result |= {
            "after": lm.summary(lm.losses(model, tokenizer, select_texts, context)),
            "steps": fitted.steps,
            "best_step": fitted.best[0],
            "notes": notes.count(train),
            "tokens": len(tokens.ids),
            "curve": [{"step": step, "select_loss": round(loss, 6)} for step, loss in fitted.evaluations],
        }
        model.to("cpu").save_pretrained(out)
        (out / "README.md").unlink(missing_ok=True)  # peft's empty model card
        tokenizer.save_pretrained(out)
        reads |= lineage.trained_on(lineage.read(train)) | lineage.as_read(lineage.read(select), "selection")
    write_json(
        out / SETTINGS,
        {
            "method": settings.method,
            "unit": settings.unit,
            "piece_words": settings.piece_words,
            "base": models.fingerprint(base),
        },
    )
    lineage.write(out, reads)
    return result


def _prepare(base: str | Path, settings: Adapt) -> Any:
    """The base model, ready to be trained by the method, on its device."""
    if settings.method == "qlora":
        import torch
        from peft import prepare_model_for_kbit_training
        from transformers import BitsAndBytesConfig

        four_bit = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16 if settings.precision == "bf16" else torch.float32,
        )
        model = models.load_decoder(base, quantization_config=four_bit, device_map={"": models.device()})
        for module in model.modules():
            # On a CPU with AVX512-BF16 bitsandbytes 0.50 repacks the weights when a model is evaluated, into a form
            # that has no gradient and knows no rows shorter than a block: what is trained next would stay as it is.
            if hasattr(module, "support_avx512bf16_for_cpu"):
                module.support_avx512bf16_for_cpu = False
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    else:
        model = models.load_decoder(base).to(models.device())
    if settings.method in ("lora", "qlora"):
        from peft import LoraConfig, get_peft_model

        lora = settings.lora
        model = get_peft_model(
            model,
            LoraConfig(
                r=lora.r,
                lora_alpha=lora.alpha,
                lora_dropout=lora.dropout,
                target_modules="all-linear",
                modules_to_save=_embeddings(model) if lora.embeddings else None,
                task_type="CAUSAL_LM",
            ),
        )
    return model


def _embeddings(model: Any) -> list[str]:
    """Names of the modules that turn tokens into vectors and back; UserError where they are one and the same."""
    if model.config.tie_word_embeddings:
        raise UserError(
            "params.yaml: synthesis.adapt.lora.embeddings trains input and output embeddings each on its own, but "
            "this base model ties them; set it to false, or tie_word_embeddings: false in the decoder's config"
        )
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    return [name.rpartition(".")[2] for name, module in model.named_modules() if module in ends]


def _context(model: Any, wanted: int) -> int:
    """Block length, at most the positions that the model has."""
    return min(wanted, getattr(model.config, "max_position_embeddings", None) or wanted)


if __name__ == "__main__":
    run(main)
