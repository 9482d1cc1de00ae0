"""Finished parts of long work, kept so that a killed stage resumes instead of starting again."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from stages.runtime.imports import closure

_ROOT = Path(__file__).resolve().parents[2]


def fingerprint(
    stage: str, cell: Mapping[str, Any], settings: Mapping[str, BaseModel], inputs: Iterable[Path] = ()
) -> str:
    """A short hash of all that determines a stage's result: cell, settings, content of the inputs, and code.

    Reads the inputs once, at about a gigabyte per second.
    """
    values = {name: section.model_dump(mode="json") for name, section in settings.items()}
    digest = hashlib.sha256(json.dumps([dict(cell), values], sort_keys=True, default=str).encode())
    module = _ROOT / "stages" / f"{stage.replace('.', '/')}.py"
    code = [_ROOT / path for path in closure(module, _ROOT)] if module.is_file() else []
    for path in (*inputs, *code):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(f"\0{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
                with file.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:24]


def folder(stage: str, key: str) -> Path:
    """The private scratch folder of a stage and key; created if it does not exist.

    It lies below data/.scratch of the main checkout (DVC_ROOT), so that a queued experiment, whose own folder is
    thrown away, can resume too.
    """
    base = Path(os.environ.get("DVC_ROOT", ".")).resolve() / "data" / ".scratch"
    path = base / stage.replace(".", "/") / key
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def remove(folders: Iterable[Path]) -> None:
    """Delete scratch folders whose work is finished."""
    for path in folders:
        shutil.rmtree(path)
