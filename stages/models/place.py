"""Putting a finished model at the place where other stages look for it."""

import re
import shutil
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from stages.shared import lineage, models, params
from stages.shared.errors import UserError
from stages.shared.lineage import Read
from stages.shared.outputs import write_json


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


def _public_model(name: str) -> set[Read]:
    return {Read(name, "public", "gradient"), Read(name, "public", "vocabulary")}
