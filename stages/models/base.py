"""Provide a corpus's base encoder or decoder (DVC stage `models_base`)."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from stages.lm import models, packing, training
from stages.lm.models import Role
from stages.lm.optimisation import LanguageModelling
from stages.models import sources, tokenizers, trimming
from stages.models.sources import Folder, Hub, Wheels
from stages.models.trimming import Trimming
from stages.notes import public as public_texts
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.params import Root, Section
from stages.runtime.stage import InFolder, OutFolder, Run, stage


class Pretraining(LanguageModelling):
    """Training of a scratch model on its public text."""

    steps: int = Field(ge=1)
    """Optimiser steps, each on `batch` blocks of `context` tokens."""


class Scratch(Section):
    """A model made here from a configuration, with a tokenizer trained on public text."""

    source: Literal["scratch"]
    architecture: str
    """Model type in transformers, such as modernbert or qwen3."""
    config: dict[str, Any]
    """Model configuration, where it differs from the type's defaults."""
    text: list[str] = Field(min_length=1)
    """Public texts, folders of data/public, that tokenizer and weights are trained on."""
    vocab_size: int = Field(ge=300)
    """Number of tokens of the byte-level BPE tokenizer."""
    seed: int
    """Seed of the weights, the order of the texts, and masking."""
    pretrain: Pretraining | None
    """Training on the public text, before any note is read; null leaves the weights random."""


class Pretrained(Section):
    """What may be done to a model that exists already."""

    trim: Trimming | None = None
    """Keep only the part of a large vocabulary that public texts need; null keeps all."""


class HubBase(Hub, Pretrained):
    """A model of the Hugging Face hub at one commit."""


class FolderBase(Folder, Pretrained):
    """A model in a folder below data/hub, in Hugging Face's format, or a decoder's GGUF file."""


class WheelsBase(Wheels, Pretrained):
    """A public model inside wheels of the package registry."""


class Base(Root[Annotated[HubBase | FolderBase | WheelsBase | Scratch, Field(discriminator="source")]]):
    """Where a corpus's base model comes from: the hub, a folder, or public text."""

    at: ClassVar[str] = "catalog.{corpus}.{role}"


@stage("models.base")
def provide(
    corpus: str, role: Role, public: InFolder, hub: InFolder, out: OutFolder, settings: Base, run: Run
) -> str:
    """Provide a corpus's base encoder or decoder: from the hub, from a folder, or trained on public text.

    role: which base model of the corpus.
    public: folder of the public texts.
    hub: folder of the models that `source: folder` names.
    out: Hugging Face model and lineage.json.
    """
    model = settings.root
    if not isinstance(model, Scratch):
        if not model.trim:
            sources.fetch(model, hub, out)
            return f"{model.source} model"
        folders = public_texts.folders(public, model.trim.text)
        with tempfile.TemporaryDirectory(dir=run.scratch) as place:
            whole = Path(place)
            sources.fetch(model, hub, whole)
            before, after = trimming.trim(whole, (note.text for note in public_texts.read(folders)), out)
            lineage.write(out, lineage.read(whole) | public_texts.reads(folders, weights=False))
        return f"{model.source} model, {after:,} of its {before:,} tokens kept"
    import torch

    folders = public_texts.folders(public, model.text)
    if role == "encoder" and model.pretrain and model.pretrain.mask is None:
        raise UserError(f"params.yaml: catalog.{corpus}.encoder.pretrain.mask is missing")

    def texts() -> Iterator[str]:
        return (note.text for note in public_texts.read(folders))

    positions = model.config.get("max_position_embeddings", 1_000_000)
    tokenizer = tokenizers.train(texts(), model.vocab_size, role, positions)
    torch.manual_seed(model.seed)
    network = models.from_config(model.architecture, model.config, tokenizer, role)
    if pretrain := model.pretrain:
        documents = packing.tokenise(texts, tokenizer, run.scratch)
        masking = packing.Masking.of(tokenizer, pretrain.mask) if role == "encoder" and pretrain.mask else None
        context = min(pretrain.context, models.context(network.config))
        blocks = packing.Stream(documents, context, pretrain.steps * pretrain.batch, model.seed, masking)
        training.fit(network, blocks, pretrain, model.seed, run.scratch, run, f"pretraining the {role}")
    network.to("cpu").save_pretrained(out)
    tokenizer.save_pretrained(out)
    lineage.write(out, public_texts.reads(folders, weights=model.pretrain is not None))
    return "scratch model"


if __name__ == "__main__":
    provide.main()
