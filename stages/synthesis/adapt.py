"""Adapt the base decoder to the generator's share of the private notes (DVC stage `synthesis_adapt`)."""

import importlib.util
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from stages.lm import evaluation, models, packing, round_trip, training
from stages.lm.models import ModelFolder
from stages.lm.optimisation import Budget, Optimisation
from stages.notes import note_table, units
from stages.notes.note_table import NoteTable
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.outputs import write_json
from stages.runtime.params import Section
from stages.runtime.stage import OutFile, OutFolder, Run, stage
from stages.synthesis import adaptation


class Lora(Section):
    """Low-rank adapters on all linear layers."""

    r: int = Field(ge=1)
    """Rank of the adapters (8 in the paper)."""
    alpha: float = Field(gt=0)
    """Scale of the adapters: their output is multiplied by alpha / r (32 in the paper)."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on the inputs of the adapters. The paper does not state it."""
    embeddings: bool
    """Train the token embeddings and the output layer in full beside the adapters. Needed for a small base model that
    has seen few of the notes' words; a pretrained model of usual size does without."""


class Adapt(Budget, Optimisation):
    """How the base decoder is adapted to the notes."""

    at: ClassVar[str] = "synthesis.adapt"

    method: Literal["lora", "qlora", "full", "none"]
    """lora, qlora (LoRA on a 4-bit base; needs the extra `qlora`), full (all weights), or none: the base model as it
    is, the 0 % of the adaptation axis."""
    lora: Lora
    """Low-rank adapters, for lora and qlora."""
    unit: units.Unit
    """What the model learns to write: whole notes, or pieces of `piece_words` words as in the paper."""
    piece_words: int = Field(default=128, ge=8)
    """Words of a piece (128 in the paper)."""
    context: int = Field(default=512, ge=8)
    """Tokens of a training block. Notes are packed into blocks, so this does not limit their length."""
    evaluations: int = Field(default=3, ge=1)
    """How often the loss on the select notes is measured. The weights with the lowest loss are kept."""
    round_trip: float = Field(default=0.99, ge=0, le=1)
    """Smallest share of the notes' characters, and of their line breaks, that the tokenizer must give back when it
    decodes what it has encoded. Below it the stage stops; a smaller loss is a warning."""
    patience: int | None = Field(default=3, ge=1)
    """Early stopping: evaluations without a new lowest loss after which training ends; null: never."""


@stage("synthesis.adapt")
def adapt(
    corpus: str,
    fold: int,
    seed: int,
    base: ModelFolder,
    notes: NoteTable,
    select: NoteTable,
    out: OutFolder,
    metrics: OutFile,
    settings: Adapt,
    run: Run,
) -> str:
    """Adapt the base decoder to the generator's share of the private notes.

    base: the base decoder.
    notes: the generator's share of the notes; if it is empty, the base model stays as it is.
    select: notes for early stopping.
    seed: seed of the adapters' initial weights, the order of the notes, and dropout.
    out: the adapter, or for full adaptation the whole model, with lineage.json.
    metrics: loss on the select notes before and after, and the learning curve.
    """
    import torch

    if not note_table.count(notes):
        settings = settings.model_copy(update={"method": "none"})

    def texts(folder: Path) -> Iterator[str]:
        return (note.text for note in units.units(note_table.read(folder), settings.unit, settings.piece_words))

    select_texts = list(texts(select))
    if not select_texts:
        raise UserError(f"{select}: no select notes; give corpora.split a larger share for select")
    tokenizer = models.load_tokenizer(base)
    kept = round_trip.check(
        tokenizer, itertools.chain(texts(notes), select_texts), settings.round_trip, "synthesis.adapt.round_trip"
    )
    torch.manual_seed(seed)
    model = prepare(base, settings)
    context = min(settings.context, models.context(model.config))

    def select_loss() -> dict[str, float]:
        return evaluation.summary(evaluation.losses(model, tokenizer, select_texts, context))

    before = after = select_loss()
    result: dict[str, Any] = {"method": settings.method, "steps": 0, "tokens": 0, "notes": 0}
    result["round_trip"] = kept._asdict()
    reads = lineage.read(base)
    if settings.method != "none":
        documents = packing.tokenise(lambda: texts(notes), tokenizer, run.scratch, "notes")
        held_out = packing.tokenise(lambda: select_texts, tokenizer, run.scratch, "select")
        steps = settings.steps_for(documents.tokens, packing.new_tokens(context) * settings.batch)
        blocks = packing.Stream(documents, context, steps * settings.batch, seed)
        stopping = training.Selection(packing.Blocks(held_out, context), settings.evaluations, settings.patience)
        fitted = training.fit(model, blocks, settings, seed, run.scratch, run, "adapting", stopping)
        after = select_loss()
        result |= {
            "steps": fitted.steps,
            "best_step": fitted.best[0],
            "notes": note_table.count(notes),
            "tokens": documents.tokens,
            "curve": [{"step": step, "select_loss": round(loss, 6)} for step, loss in fitted.evaluations],
        }
        model.to("cpu").save_pretrained(out)
        (out / "README.md").unlink(missing_ok=True)  # peft's empty model card
        tokenizer.save_pretrained(out)
        reads |= lineage.trained_on(lineage.read(notes)) | lineage.as_read(lineage.read(select), "selection")
    digest = models.digest(base)
    adaptation.write(out, adaptation.Adaptation(settings.method, settings.unit, settings.piece_words, digest))
    lineage.write(out, reads)
    result |= {"before": before, "after": after}
    run.log({key: result[key] for key in ("before", "after", "steps", "tokens", "notes")})
    write_json(metrics, result)
    return (
        f"{settings.method}, perplexity on select notes {before['perplexity']:.2f} -> {after['perplexity']:.2f}, "
        f"bits per byte {before['bits_per_byte']:.3f} -> {after['bits_per_byte']:.3f}"
    )


def prepare(base: Path, settings: Adapt) -> Any:
    """Return the base decoder on its device, ready to be trained. Seed torch before: adapters start at random."""
    if settings.method == "qlora":
        model = _in_four_bits(base, settings.precision)
    else:
        # Only weights that are not trained may be rounded.
        frozen = settings.method == "lora" and not settings.lora.embeddings
        model = models.load_decoder(base, settings.precision if frozen else "fp32").to(models.device())
    if settings.method not in ("lora", "qlora"):
        return model
    from peft import LoraConfig, get_peft_model

    if settings.lora.embeddings and model.config.tie_word_embeddings:
        raise UserError(
            "params.yaml: synthesis.adapt.lora.embeddings trains input and output embeddings separately, but this "
            "base model ties them; set it to false, or tie_word_embeddings: false in the decoder's config"
        )
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    embeddings = [name.rpartition(".")[2] for name, module in model.named_modules() if module in ends]
    config = LoraConfig(
        r=settings.lora.r,
        lora_alpha=settings.lora.alpha,  # type: ignore[arg-type]  # an integer only by its annotation
        lora_dropout=settings.lora.dropout,
        target_modules="all-linear",
        exclude_modules=_outside_text_model(model),
        modules_to_save=embeddings if settings.lora.embeddings else None,
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(model, config)
    # A set, whose order would change adapter_config.json, and so the model's digest, from run to run.
    config.target_modules = sorted(config.target_modules or [])
    return adapted


def _outside_text_model(model: Any) -> list[str] | None:
    """The linear layers that no text passes through, such as those of a vision tower; None if there are none."""
    from torch.nn import Linear

    text = {*model.get_decoder().modules(), model.get_output_embeddings()}
    linear = (name for name, module in model.named_modules() if isinstance(module, Linear) and module not in text)
    return sorted(linear) or None


def _in_four_bits(base: Path, precision: models.Precision) -> Any:
    """The base decoder in 4-bit NormalFloat (QLoRA)."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            "params.yaml: synthesis.adapt.method is qlora, which needs bitsandbytes: `pip install .[qlora]`, or "
            "choose lora"
        )
    import torch
    from peft import prepare_model_for_kbit_training
    from transformers import BitsAndBytesConfig

    four_bit = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16 if precision == "bf16" else torch.float32,
    )
    model = models.load_decoder(base, quantization_config=four_bit, device_map={"": models.device()})
    for module in model.modules():
        # On a CPU with AVX512-BF16, bitsandbytes 0.50 repacks the weights when a model is evaluated. The packed form
        # has no gradient and accepts no rows shorter than a block, so training would change nothing afterwards.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)


if __name__ == "__main__":
    adapt.main()
