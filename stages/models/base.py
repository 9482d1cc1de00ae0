"""Put a base encoder or decoder at one place: from a hub, a folder, or trained on public text (models_base)."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, RootModel

from stages.models import place
from stages.models.place import Folder, Hub
from stages.shared import lineage, models, packing, params, public, tokenizers, training
from stages.shared.console import say
from stages.shared.errors import UserError, run
from stages.shared.outputs import building
from stages.shared.scratch import fingerprint, scratch
from stages.shared.tracking import track

Role = Literal["encoder", "decoder"]


class Pretraining(training.Optimisation):
    """Training of a scratch model on its public text: causal for a decoder, masked for an encoder."""

    steps: int = Field(ge=1)
    context: int = Field(ge=8)
    mask: float | None = Field(default=None, gt=0, lt=1)


class Scratch(params.Section):
    """A model made here from an architecture and a config; its tokenizer is trained on public text."""

    source: Literal["scratch"]
    architecture: str
    config: dict[str, Any]
    text: list[str] = Field(min_length=1)
    vocab_size: int = Field(ge=300)
    seed: int
    pretrain: Pretraining | None


class Model(RootModel[Annotated[Hub | Folder | Scratch, Field(discriminator="source")]]):
    """A corpus's base model: section corpora.<corpus>.<role>."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="name of the corpus in params.yaml")
    parser.add_argument(
        "--role", required=True, choices=["encoder", "decoder"], help="which model of the corpus"
    )
    parser.add_argument(
        "--public", required=True, help="folder of public texts, one folder with text.jsonl each"
    )
    parser.add_argument("--hub", required=True, help="folder of the models that `source: folder` names")
    parser.add_argument("--out", required=True, help="folder to write: a Hugging Face model and lineage.json")
    args = parser.parse_args()
    model = params.load(Model, f"corpora.{args.corpus}.{args.role}").root
    with building(args.out) as out:
        if isinstance(model, Hub):
            place.point(model, out)
        elif isinstance(model, Folder):
            place.copy(Path(args.hub) / model.path, out)
        else:
            folders = public.folders(args.public, model.text)
            if args.role == "encoder" and model.pretrain and model.pretrain.mask is None:
                raise UserError(f"params.yaml: corpora.{args.corpus}.encoder.pretrain.mask is missing")
            key = fingerprint(model, args.role, inputs=folders)
            cell = f"{args.corpus}-{args.role}"
            with scratch("models/base", key) as checkpoints, track("models/base", cell, model) as run_:
                make(model, args.role, folders, checkpoints, out, run_)
    say(f"{args.corpus} {args.role}: {model.source} model at {args.out}")


def make(model: Scratch, role: Role, folders: list[Path], checkpoints: Path, out: Path, run_: Any) -> None:
    """Train a tokenizer, make the model with random weights and, if asked to, pretrain it."""
    import torch

    models.hush()
    positions = model.config.get("max_position_embeddings", 1_000_000)
    tokenizer = tokenizers.train(_texts(folders), model.vocab_size, role, positions)
    torch.manual_seed(model.seed)
    network = models.scratch(model.architecture, model.config, tokenizer, role)
    if model.pretrain is not None:
        pretrain(network, tokenizer, model.pretrain, role, folders, model.seed, checkpoints, run_)
    network.to("cpu").save_pretrained(out)
    tokenizer.save_pretrained(out)
    lineage.write(out, public.reads(folders, weights=model.pretrain is not None))


def pretrain(
    network: Any,
    tokenizer: Any,
    settings: Pretraining,
    role: Role,
    folders: list[Path],
    seed: int,
    checkpoints: Path,
    run_: Any,
) -> None:
    """Train in place on the public text."""
    tokens = packing.tokenise(_texts(folders), tokenizer)
    masking = packing.Masking.of(tokenizer, settings.mask) if role == "encoder" else None
    examples = packing.Stream(tokens, settings.context, settings.steps * settings.batch, seed, masking)
    training.fit(
        network, examples, settings, settings.steps, seed, checkpoints, run_, label=f"pretraining the {role}"
    )


def _texts(folders: list[Path]) -> Iterator[str]:
    return (note.text for note in public.read(folders))


if __name__ == "__main__":
    run(main)
