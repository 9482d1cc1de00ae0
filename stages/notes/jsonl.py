"""JSON Lines: one JSON object per line, in UTF-8."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from stages.runtime.errors import UserError, at

Row = TypeVar("Row", bound=BaseModel)


def read(path: Path, kind: type[Row]) -> Iterator[tuple[int, Row]]:
    """Stream (line number, object) of a file that a user provides; values are not coerced: 1 is no string.

    Raises UserError for a missing file and for a line that is not an object of that kind.
    """
    required = ", ".join(f'"{name}": ...' for name, field in kind.model_fields.items() if field.is_required())
    if not path.is_file():
        raise UserError(f"{path}: not there; write one {{{required}}} per line into it, and `dvc add` the folder")
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield number, kind.model_validate_json(line, strict=True)
            except ValidationError:
                raise UserError(f"{at(path, number)}: expected {{{required}}} as JSON") from None


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one object per line, its keys in the order given."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
