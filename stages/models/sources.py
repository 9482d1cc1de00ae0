"""Models that exist already: on the Hugging Face hub, or in a folder."""

import re
import shutil
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from stages.lm import models
from stages.runtime import lineage
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


def fetch(model: Hub | Folder, hub: Path, out: Path) -> None:
    """Copy the model of a folder below `hub` to `out`; a model without lineage counts as public.

    Of a model of the Hugging Face hub, write name, commit and file hashes: its weights stay in the hub's cache.
    """
    if isinstance(model, Hub):
        files = models.hashes(models.download(model.name, model.revision))
        write_json(out / models.POINTER, {"name": model.name, "revision": model.revision, "files": files})
        lineage.write(out, _public(f"hub:{model.name}@{model.revision[:12]}"))
        return
    folder = hub / model.path
    if models.resolve(folder) != str(folder):
        raise UserError(f"{folder}: points to a hub model; name it with `source: hub` instead")
    for file in models.hashes(folder):
        shutil.copyfile(folder / file, out / file)
    lineage.write(out, lineage.read(folder, otherwise=_public(f"folder:{folder.name}")))


def _public(name: str) -> list[Read]:
    return [Read(name, "public", how) for how in lineage.DIRECT]
