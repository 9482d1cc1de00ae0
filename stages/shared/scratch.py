"""Finished chunks of long work, kept so that a killed stage resumes instead of starting again."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from stages.shared.imports import closure


def fingerprint(section: BaseModel, *values: Any, inputs: Iterable[str | Path] = ()) -> str:
    """A short hash of the params, of values that identify the cell, of the inputs' content and of the stage's code.

    Costs one read of the inputs (about a second per GB).
    """
    digest = hashlib.sha256()
    digest.update(
        json.dumps([section.model_dump(mode="json"), *values], sort_keys=True, default=str).encode()
    )
    for path in (*map(Path, inputs), *_code()):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(f"\0{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
                with file.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:24]


@contextmanager
def scratch(stage: str, fingerprint: str) -> Iterator[Path]:
    """A private folder for `stage` that survives a failure or a kill and is removed when the block succeeds.

    It lies below the main checkout's data/.scratch (DVC_ROOT), so that a queued experiment, whose own folder is
    thrown away, resumes as well.
    """
    base = Path(os.environ.get("DVC_ROOT", ".")).resolve() / "data" / ".scratch"
    folder = base / stage / fingerprint
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder)


def _code() -> list[Path]:
    """The first-party files of the running stage: chunks made by other code are not resumed from."""
    main = Path(getattr(sys.modules["__main__"], "__file__", None) or "")
    root = Path(__file__).resolve().parents[2]
    if not main.is_file() or not main.resolve().is_relative_to(root / "stages"):
        return []
    return [root / path for path in closure(main, root)]
