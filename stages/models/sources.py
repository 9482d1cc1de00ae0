"""Models that exist already: on the Hugging Face hub, or in a folder."""

import re
import shutil
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from stages.lm import models
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

    @field_validator("revision")
    @classmethod
    def _pinned(cls, revision: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{40}", revision):
            raise ValueError("give the full commit hash (40 hex digits); branches and tags can move")
        return revision


class Folder(Section):
    """A model in a folder below data/hub, in Hugging Face's format with safetensors weights."""

    source: Literal["folder"]
    path: str
    """Path below data/hub."""
    public: bool = False
    """Declares that the model has read public text only. Otherwise a folder that has no lineage.json of this project
    counts as trained on real notes, and what is made from it cannot be released."""


def fetch(model: Hub | Folder, hub: Path, out: Path) -> None:
    """Copy the model of a folder below `hub` to `out`; without lineage, it counts as real until declared public.

    Of a model of the Hugging Face hub, write name, commit and file hashes: its weights stay in the hub's cache.
    """
    if isinstance(model, Hub):
        files = models.hashes(models.download(model.name, model.revision))
        write_json(out / models.POINTER, {"name": model.name, "revision": model.revision, "files": files})
        lineage.write(out, of_unknown(f"hub:{model.name}@{model.revision[:12]}", public=True))
        return
    folder = hub / model.path
    if models.resolve(folder) != str(folder):
        raise UserError(f"{folder}: points to a hub model; name it with `source: hub` instead")
    for file in models.hashes(folder):
        shutil.copyfile(folder / file, out / file)
    lineage.write(out, lineage.read(folder, otherwise=of_unknown(f"folder:{folder.name}", model.public)))


def of_unknown(name: str, public: bool) -> list[Read]:
    """The lineage of a model that comes without one: public if somebody declares it, otherwise real."""
    if not public:
        say(
            f"warning: {name} says nothing about the notes it was trained on and counts as trained on real notes; if "
            "it has read public text only, set `public: true` beside it in params.yaml"
        )
    return [Read(name, "public" if public else "real", how) for how in lineage.DIRECT]
