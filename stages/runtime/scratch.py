"""Finished parts of long work, kept so that a killed stage resumes instead of starting again.

One process at a time works in a scratch folder: a lock file lies beside it, which the system frees when the process
ends in any way.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import BaseModel

from stages.runtime.console import first_process, say
from stages.runtime.errors import UserError
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


class Claim:
    """The private scratch folder of a stage and key, claimed for this process until `release`.

    It lies below data/.scratch of the main checkout (DVC_ROOT), so that a queued experiment, whose own folder is
    thrown away, can resume too. If another process works there, it is waited for with `wait`; otherwise UserError.
    The further processes of torchrun share the claim of the first.
    """

    def __init__(self, stage: str, key: str, wait: bool = False) -> None:
        self.folder = _base() / stage.replace(".", "/") / key
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = FileLock(_lock_of(self.folder), mode=0o600)
        if first_process():
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                if not wait:
                    raise UserError(
                        f"another process computes {stage} of the same cell; wait until it has ended, then run again"
                    ) from None
                say("waiting: another process computes this cell")
                self._lock.acquire()
        self.folder.mkdir(mode=0o700, exist_ok=True)

    def release(self, finished: bool) -> None:
        """Let other processes claim the folder; delete it if its work is finished."""
        if first_process():
            if finished:
                shutil.rmtree(self.folder)
                # Whoever waits for this file notices that it is gone and makes a new one.
                _lock_of(self.folder).unlink()
            self._lock.release()


@contextmanager
def alone(stage: str, outputs: Iterable[Path]) -> Iterator[None]:
    """Keep other processes from writing the same outputs. Raises UserError if one does."""
    paths = "\0".join(str(path.resolve()) for path in outputs)
    claim = Claim(stage, f"outputs-{hashlib.sha256(paths.encode()).hexdigest()[:24]}")
    try:
        yield
    finally:
        claim.release(finished=True)


def clear() -> None:
    """Delete the scratch folders of all runs that were abandoned: those in which no process works."""
    for path in _base().glob("*/*/*"):
        if path.is_dir():
            with suppress(Timeout), FileLock(_lock_of(path), blocking=False):
                shutil.rmtree(path)
                _lock_of(path).unlink()


def _base() -> Path:
    base = Path(os.environ.get("DVC_ROOT", ".")).resolve() / "data" / ".scratch"
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    return base


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")
