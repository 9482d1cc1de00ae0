"""JSON Lines: one JSON object per line, in UTF-8."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from stages.runtime.errors import UserError, at

# A number with more digits than Python converts, or more levels than its parser descends.
_UNREADABLE = (ValueError, RecursionError)

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
            where = at(path, number)
            try:
                yield number, kind.model_validate(parse(line.rstrip().decode(), where), strict=True)
            except UnicodeDecodeError:
                raise UserError(f"{where}: not UTF-8; convert the file") from None
            except ValidationError:
                raise UserError(f"{where}: expected {{{required}}}") from None


def parse(line: str, where: str) -> dict[str, Any]:
    """The object on a line. Raises UserError, which names the place `where`, for anything else.

    An object that has a key twice is refused: libraries silently take the last value.
    """
    try:
        found = json.loads(line, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: not valid JSON at column {error.colno} ({error.msg}); correct the line") from None
    except _UNREADABLE:
        raise UserError(
            f"{where}: a key twice in one object, or a value too large to read; correct the line"
        ) from None
    if not isinstance(found, dict):
        raise UserError(f"{where}: not a JSON object; correct the line")
    if "\\ud" in line.lower():
        # JSON can express half of a surrogate pair; UTF-8, and with it the note table, cannot.
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise UserError(f"{where}: half of a \\u surrogate pair; write the character itself") from None
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice")
    return found


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one object per line, its keys in the order given."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
