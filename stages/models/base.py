"""Put a base encoder or decoder at one place: from a hub, a folder, or trained on public text (models_base)."""

import argparse
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, RootModel, field_validator

from stages.shared import lineage, models, packing, params, tokenizers, training
from stages.shared.console import say
from stages.shared.errors import UserError, at, run
from stages.shared.lineage import Read
from stages.shared.outputs import building, read_json, write_json
from stages.shared.scratch import fingerprint, scratch
from stages.shared.tracking import track

Role = Literal["encoder", "decoder"]


class Hub(params.Section):
    """A model of the Hugging Face hub at one commit."""

    source: Literal["hub"]
    name: str
    revision: str

    @field_validator("revision")
    @classmethod
    def _pinned(cls, revision: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{40}", revision):
            raise ValueError("give the full commit hash (40 hex digits); branches and tags can move")
        return revision


class Folder(params.Section):
    """A model in a folder below data/hub, in Hugging Face's format with safetensors weights."""

    source: Literal["folder"]
    path: str


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
            point(model, out)
        elif isinstance(model, Folder):
            copy(Path(args.hub) / model.path, out)
        else:
            folders = public_folders(args.public, model.text)
            if args.role == "encoder" and model.pretrain and model.pretrain.mask is None:
                raise UserError(f"params.yaml: corpora.{args.corpus}.encoder.pretrain.mask is missing")
            key = fingerprint(model, args.role, inputs=folders)
            cell = f"{args.corpus}-{args.role}"
            with scratch("models/base", key) as checkpoints, track("models/base", cell, model) as run_:
                make(model, args.role, folders, checkpoints, out, run_)
    say(f"{args.corpus} {args.role}: {model.source} model at {args.out}")


def point(model: Hub, out: Path) -> None:
    """Write name, commit and file hashes of a hub model; its weights stay in the hub's cache."""
    files = models.hashes(models.download(model.name, model.revision))
    out.mkdir()
    write_json(out / models.POINTER, {"name": model.name, "revision": model.revision, "files": files})
    lineage.write(out, _public_model(f"hub:{model.name}@{model.revision[:12]}"))


def copy(folder: Path, out: Path) -> None:
    """Copy a model's files; a folder that another stage wrote brings its lineage, any other counts as public."""
    source = Path(models.resolve(folder))
    if source != folder:
        raise UserError(f"{folder}: points to a hub model; name it with `source: hub` instead")
    out.mkdir()
    for name in models.hashes(source):
        shutil.copyfile(source / name, out / name)
    if (source / lineage.FILE).is_file():
        lineage.write(out, lineage.read(source))
    else:
        lineage.write(out, _public_model(f"folder:{source.name}"))


def make(model: Scratch, role: Role, folders: list[Path], checkpoints: Path, out: Path, run_: Any) -> None:
    """Train a tokenizer, make the model with random weights and, if asked to, pretrain it."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

    models.hush()
    positions = model.config.get("max_position_embeddings", 1_000_000)
    tokenizer = tokenizers.train(texts(folders), model.vocab_size, role, positions)
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if role == "encoder":
        special |= {"cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id}
    try:
        config = AutoConfig.for_model(
            model.architecture, **{"vocab_size": len(tokenizer), **special, **model.config}
        )
        torch.manual_seed(model.seed)
        kind = AutoModelForMaskedLM if role == "encoder" else AutoModelForCausalLM
        network = kind.from_config(config)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"params.yaml: architecture {model.architecture} with this config: {error}") from None
    if model.pretrain is not None:
        pretrain(network, tokenizer, model.pretrain, role, folders, model.seed, checkpoints, run_)
    network.to("cpu").save_pretrained(out)
    tokenizer.save_pretrained(out)
    lineage.write(out, public_reads(folders, weights=model.pretrain is not None))


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
    tokens = packing.tokenise(texts(folders), tokenizer)
    masking = None
    if role == "encoder":
        masking = packing.Masking(
            settings.mask, tokenizer.mask_token_id, len(tokenizer), tuple(tokenizer.all_special_ids)
        )
    examples = packing.Stream(tokens, settings.context, settings.steps * settings.batch, seed, masking)
    training.fit(
        network, examples, settings, settings.steps, seed, checkpoints, run_, label=f"pretraining the {role}"
    )


def public_folders(public: str | Path, names: list[str]) -> list[Path]:
    """Folders of the named public texts; UserError when one is missing."""
    folders = [Path(public) / name for name in names]
    for folder in folders:
        if not (folder / "text.jsonl").is_file():
            raise UserError(
                f"{folder / 'text.jsonl'}: no such public text; put it there, one JSON object with `note_id` and "
                "`text` per line, and `dvc add` the folder"
            )
    return folders


def texts(folders: list[Path]) -> Iterator[str]:
    """The texts of public folders, streamed."""
    for folder in folders:
        path = folder / "text.jsonl"
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    text = json.loads(line)["text"]
                except (ValueError, KeyError, TypeError):
                    text = None
                if not isinstance(text, str):
                    raise UserError(f'{at(path, number)}: expected {{"note_id": ..., "text": ...}} as JSON')
                yield text


def public_reads(folders: list[Path], weights: bool) -> set[Read]:
    """Vocabulary and, after pretraining, gradient reads of public texts."""
    reads = set()
    for folder in folders:
        content = {Read(folder.name, "public", "content")}
        if (folder / lineage.FILE).is_file():
            content = {Read(**entry) for entry in read_json(folder / lineage.FILE)}
        for entry in content:
            if entry.how == "content":
                reads.add(entry._replace(how="vocabulary"))
                if weights:
                    reads.add(entry._replace(how="gradient"))
            else:
                reads.add(entry)
    return reads


def _public_model(name: str) -> set[Read]:
    return {Read(name, "public", "gradient"), Read(name, "public", "vocabulary")}


if __name__ == "__main__":
    run(main)
