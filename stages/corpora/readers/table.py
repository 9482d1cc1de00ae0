"""CSV (plain or gzipped) and Parquet tables of untagged notes, such as MIMIC NOTEEVENTS and OMOP NOTE.

CSV follows RFC 4180: a quote inside quotes is doubled, and line breaks inside quotes are part of the note. Memory:
one note of a CSV file; 64 notes of a Parquet file and the row group they are in.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, model_validator

from stages.corpora.readers.base import Columns, RawNote, RawSettings, files, lines
from stages.runtime.errors import UserError, at


class Table(RawSettings):
    """CSV and Parquet tables of untagged notes."""

    format: Literal["table"]
    columns: Columns
    """Names of the columns."""
    separator: str = Field(default=",", min_length=1, max_length=1)
    """Character between the columns of a CSV file."""

    @model_validator(mode="after")
    def _one_grouping(self) -> Self:
        if self.columns.group and self.group_pattern:
            raise ValueError("name either columns.group or group_pattern")
        return self


def read(path: Path, settings: Table, counts: Counter[str]) -> Iterator[RawNote]:
    """The notes of a table or of all tables below `path`, in order. Raises UserError with the column or line."""
    for file in files(path, ".csv", ".csv.gz", ".parquet"):
        rows = _parquet(file, settings) if file.suffix.lower() == ".parquet" else _csv(file, settings)
        columns = settings.columns
        for place, line, row in rows:
            group = _identifier(row, columns.group, place) if columns.group else None
            yield RawNote(_identifier(row, columns.id, place), row[columns.text] or "", file, line, group)


def _identifier(row: dict[str, Any], column: str, place: str) -> str:
    if row[column] in (None, ""):
        raise UserError(f"{place}: column {column} is empty; fill it or remove the row")
    return str(row[column])


def _needed(settings: Table, present: list[str], file: Path) -> list[str]:
    """The columns to read. Raises UserError if one is not `present`."""
    columns = [name for name in (settings.columns.id, settings.columns.text, settings.columns.group) if name]
    if missing := [column for column in columns if column not in present]:
        raise UserError(
            f"{at(file, 1)}: no column {', '.join(missing)}; correct `columns` (and `separator`) in params.yaml"
        )
    if twice := [column for column in columns if present.count(column) > 1]:
        raise UserError(f"{at(file, 1)}: two columns {', '.join(twice)}; rename one of them")
    return columns


def _csv(file: Path, settings: Table) -> Iterator[tuple[str, int, dict[str, Any]]]:
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader((line for _, line in lines(file)), delimiter=settings.separator, strict=True)
    line = 1
    try:
        header = next(reader, [])
        _needed(settings, header, file)
        line = reader.line_num + 1
        for row in reader:
            # A blank line is an empty row, and no note.
            if row:
                if len(row) != len(header):
                    raise UserError(
                        f"{at(file, line)}: {len(row)} columns, the header has {len(header)}; quote what holds a "
                        "separator, quote or line break"
                    )
                yield at(file, line), line, dict(zip(header, row, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{at(file, line)}: not a valid CSV row ({error}); correct its quotes") from None


def _parquet(file: Path, settings: Table) -> Iterator[tuple[str, None, dict[str, Any]]]:
    number = 0
    try:
        for row in _rows(file, settings):
            number += 1
            yield f"{file}, row {number}", None, row
    except UnicodeDecodeError:
        raise UserError(f"{file}, after row {number}: not UTF-8; write the table again") from None
    except (pa.ArrowException, OSError, ValueError):
        # Damage shows in many ways, and the messages may hold what was read.
        raise UserError(f"{file}, after row {number}: not a complete Parquet file; copy it again") from None


def _rows(file: Path, settings: Table) -> Iterator[dict[str, Any]]:
    # Pre-buffering would keep the columns of every row group in memory until the file is closed.
    with pq.ParquetFile(file, pre_buffer=False) as table:
        schema = table.schema_arrow
        columns = _needed(settings, schema.names, file)
        for column in columns:
            kind = schema.field(column).type
            text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
            if not text and (column == settings.columns.text or not pa.types.is_integer(kind)):
                expected = "text" if column == settings.columns.text else "text or whole numbers"
                raise UserError(f"{file}: column {column} is {kind}, expected {expected}; cast it")
        for batch in table.iter_batches(batch_size=64, columns=columns):
            yield from batch.to_pylist()
