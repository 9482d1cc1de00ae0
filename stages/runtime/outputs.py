"""Outputs that are written completely or not at all."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def building(out: str | Path) -> Iterator[Path]:
    """Yield a path beside `out` at which to build a file or folder; it replaces `out` when the block succeeds.

    If the block fails, what was built is deleted and an earlier `out` stays as it was.
    """
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    _remove(partial)
    try:
        yield partial
        partial.lstat()  # if nothing was built, this fails before the earlier output is gone
        _remove(out)
        os.replace(partial, out)
    except BaseException:
        _remove(partial)
        raise


def write_json(out: str | Path, content: Any) -> None:
    """Write `content` as JSON with sorted keys, so that equal results are equal bytes."""
    with building(out) as partial:
        text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        partial.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """The content of a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
