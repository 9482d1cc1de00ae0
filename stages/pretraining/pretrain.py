"""Pretrain a language model on a mixture (DVC stage `pretraining_pretrain`)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from stages.lm import models, packing, training
from stages.lm.models import ModelFolder, Role
from stages.lm.optimisation import LanguageModelling, steps_of
from stages.notes import draws, note_table
from stages.notes.note_table import NoteTable
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.outputs import read_json, write_json
from stages.runtime.stage import InFile, OutFile, OutFolder, Run, stage

# Metrics of a base model that is not trained.
_UNTRAINED: dict[str, Any] = {
    **dict.fromkeys(("learning_rate", "validation_loss", "real_share")),
    **dict.fromkeys(("best_step", "steps", "tokens_trained", "unique_tokens", "texts", "validation_texts"), 0),
    **{"curve": [], "passes": 0.0},
}


class Pretrain(LanguageModelling):
    """How language models are pretrained, the same for every mixture."""

    at: ClassVar[str] = "pretraining.pretrain"

    start: Literal["scratch", "base"]
    """scratch: random weights in the shape of the base model, different ones for every seed; base: its weights."""
    shape: dict[Role, dict[str, Any]] = Field(default={})
    """For scratch, by kind (decoder, encoder): keys of the base model's config with other values. So models can be
    smaller than the base; they keep its architecture and its tokenizer."""
    epochs: float = Field(gt=0)
    """Passes over a mixture whose `repeat` is 1. The steps follow from the tokens that the mixture's recipe asks for,
    by the corpus's base decoder, so that mixtures of equal size are trained on for equally many tokens."""
    other_rates: list[float] = Field(default=[])
    """Further peak learning rates to try; the model with the lowest validation loss is kept."""
    validation: float = Field(gt=0, lt=1)
    """Share of the mixture's tokens that is held out for validation, in whole groups."""
    evaluations: int = Field(ge=1)
    """How often the validation loss is measured; the weights with the lowest are kept."""

    @model_validator(mode="after")
    def _only_new_weights_take_a_shape(self) -> Self:
        if self.shape and self.start == "base":
            raise ValueError("shape is for new weights, but start is base; set start: scratch, or shape: {}")
        return self


@stage("pretraining.pretrain")
def pretrain(
    kind: Role,
    mixture: str,
    corpus: str,
    fold: int,
    seed: int,
    base: ModelFolder,
    texts: NoteTable,
    mixed: InFile,
    out: OutFolder,
    metrics: OutFile,
    settings: Pretrain,
    run: Run,
) -> str:
    """Pretrain a language model on a mixture: a decoder causally, an encoder by masking.

    kind: decoder or encoder.
    base: base model, for its tokenizer, its configuration and, if training starts from them, its weights.
    texts: the mixture.
    mixed: metrics of pretraining_mix for this mixture.
    seed: seed of weights, order and masks.
    out: Hugging Face model and lineage.json.
    metrics: training budget, learning curve and learning rate.
    """
    if kind == "encoder" and settings.mask is None:
        raise UserError("params.yaml: pretraining.pretrain.mask is missing")
    recipe = read_json(mixed)
    result = fit(kind, base, texts, round(recipe["budget"] * recipe["repeat"]), settings, seed, out, run)
    write_json(metrics, result)
    if not result["steps"]:
        return "the base model as it is"
    trained = "{tokens_trained} tokens at learning rate {learning_rate:g}, validation loss {validation_loss:.3f}"
    return trained.format(**result)


def fit(
    kind: Role, base: Path, texts: Path, budget: int, settings: Pretrain, seed: int, out: Path, run: Run
) -> dict[str, Any]:
    """Write the model with the lowest validation loss over the learning rates to `out`; return budget and curve.

    `budget` is the number of tokens of an epoch before a share of them is held out for validation. An empty mixture
    leaves the base model as it is.
    """
    tokenizer = models.load_tokenizer(base)
    if note_table.count(texts) == 0:
        start(kind, base, "base", seed).save_pretrained(out)
        tokenizer.save_pretrained(out)
        lineage.write(out, lineage.read(base))
        return _UNTRAINED
    held_out = validation_groups(group_sizes(texts, tokenizer), settings.validation)

    def side(validation: bool) -> Iterator[str]:
        return (note.text for note in note_table.read(texts) if (note.group_id in held_out) == validation)

    train = packing.tokenise(lambda: side(False), tokenizer, run.scratch, "train")
    validation = packing.tokenise(lambda: side(True), tokenizer, run.scratch, "validation")
    context = min(settings.context, models.context_of(base))
    per_step = packing.new_tokens(context) * settings.batch
    steps = steps_of(settings.epochs * (1 - settings.validation), budget, per_step)
    masking = packing.Masking.of(tokenizer, settings.mask) if kind == "encoder" and settings.mask else None
    best: dict[str, Any] = {}
    for rate in (settings.learning_rate, *settings.other_rates):
        model = start(kind, base, settings.start, seed, settings.shape.get(kind)).to(models.device())
        blocks = packing.Stream(train, context, steps * settings.batch, seed, masking)
        select = training.Selection(packing.Blocks(validation, context, masking), settings.evaluations)
        tried, folder = settings.model_copy(update={"learning_rate": rate}), run.scratch / f"{rate:g}"
        fitted = training.fit(model, blocks, tried, seed, folder, run, f"pretraining the {kind}", select)
        step, loss = fitted.best
        if not best or loss < best["validation_loss"]:
            best = {
                "learning_rate": rate,
                "validation_loss": round(loss, 6),
                "best_step": step,
                "curve": [{"step": at, "loss": round(value, 6)} for at, value in fitted.evaluations],
            }
            model.to("cpu").save_pretrained(out)
    tokenizer.save_pretrained(out)
    lineage.write(out, lineage.read(base) | lineage.trained_on(lineage.read(texts)))
    return best | {
        "steps": steps,
        "tokens_trained": steps * per_step,
        # Without BOS and EOS of each text; nothing is padded.
        "real_share": round(train.text_tokens / train.tokens, 6),
        "unique_tokens": train.text_tokens,
        "passes": round(steps * per_step / train.tokens, 3),
        "texts": len(train),
        "validation_texts": len(validation),
    }


def group_sizes(texts: Path, tokenizer: Any) -> Counter[str]:
    """Number of tokens of every group of a note table."""
    sizes: Counter[str] = Counter()
    documents = models.documents((note.text for note in note_table.read(texts)), tokenizer)
    for note, ids in zip(note_table.read(texts), documents, strict=True):
        sizes[note.group_id] += len(ids)
    return sizes


def validation_groups(sizes: Mapping[str, int], share: float) -> set[str]:
    """The groups that are held out: a share of the tokens to within half a group, at least one group.

    UserError if none would be left to train on.
    """
    positions = draws.positions(sizes, "validation")
    if len(positions) < 2:
        raise UserError("the mixture holds texts of one group only, so none is left to validate on")
    bound = max(share, min(positions.values()) + 1e-9)
    return {group for group, position in positions.items() if position < bound}


def start(
    kind: Role, base: Path, how: Literal["scratch", "base"], seed: int, shape: Mapping[str, Any] | None = None
) -> Any:
    """The model before training: the base's weights, or random ones drawn by the seed, in its shape or in `shape`."""
    if how == "base":
        return models.load_decoder(base) if kind == "decoder" else models.load_masked(base)
    import torch

    torch.manual_seed(seed)
    return models.reinitialised(base, kind, shape or {})


if __name__ == "__main__":
    pretrain.main()
