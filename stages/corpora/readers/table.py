"""CSV (plain or gzip) and Parquet tables of untagged notes: MIMIC NOTEEVENTS, OMOP NOTE and the like.

CSV is RFC 4180: a quote inside quotes is doubled, line breaks inside quotes belong to the note and stay as they are.
Memory: one note of a CSV, 64 notes of a Parquet file plus what its writer put into one row group.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, model_validator

from stages.corpora.readers.base import Met, Raw, RawNote, files, lines
from stages.shared.errors import UserError, at
from stages.shared.params import Section

SUFFIXES = (".csv", ".csv.gz", ".parquet")
_BATCH = 64


class Columns(Section):
    """Names of the columns."""

    # Column of the note id, unique in the corpus.
    id: str
    # Column of the note's text.
    text: str
    # Column of the group id (the patient); null: from group_pattern, or each note is its own group.
    group: str | None = None

    def names(self) -> list[str]:
        """The columns to read."""
        return [self.id, self.text, *([self.group] if self.group else [])]


class Params(Raw):
    """Params of tables."""

    # Names of the columns.
    columns: Columns
    # Character between the columns of a CSV.
    separator: str = Field(",", min_length=1, max_length=1)

    @model_validator(mode="after")
    def _one_grouping(self) -> Self:
        if self.columns.group and self.group_pattern:
            raise ValueError("name either columns.group or group_pattern")
        return self


def read(path: Path, params: Params, met: Met) -> Iterator[RawNote]:
    """The notes of a table or of all tables below `path`, in their order; UserError names the column or line."""
    for file in files(path, *SUFFIXES):
        rows = _parquet(file, params) if file.suffix == ".parquet" else _csv(file, params)
        for place, line, row in rows:
            yield RawNote(
                note_id=_identifier(row, params.columns.id, place),
                text=row[params.columns.text] or "",
                file=file,
                line=line,
                group=_identifier(row, params.columns.group, place) if params.columns.group else None,
            )


def _identifier(row: dict[str, Any], column: str, place: str) -> str:
    if row[column] in (None, ""):
        raise UserError(f"{place}: column {column} is empty; fill it or remove the row")
    return str(row[column])


def _need(columns: list[str], present: list[str], file: Path) -> None:
    missing = [column for column in columns if column not in present]
    if missing:
        raise UserError(
            f"{at(file, 1)}: no column {', '.join(missing)}; correct `columns` (and `separator`) in params.yaml"
        )


def _csv(file: Path, params: Params) -> Iterator[tuple[str, int, dict[str, Any]]]:
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader((line for _, line in lines(file)), delimiter=params.separator, strict=True)
    line = 1
    try:
        header = next(reader, [])
        _need(params.columns.names(), header, file)
        line = reader.line_num + 1
        for row in reader:
            # A blank line is an empty row.
            if row and len(row) != len(header):
                raise UserError(
                    f"{at(file, line)}: {len(row)} columns, the header has {len(header)}; quote what holds a "
                    "separator, quote or line break"
                )
            if row:
                yield at(file, line), line, dict(zip(header, row, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{at(file, line)}: not a valid CSV row ({error}); correct its quotes") from None


def _parquet(file: Path, params: Params) -> Iterator[tuple[str, None, dict[str, Any]]]:
    columns = params.columns
    try:
        # Pre-buffering would hold every row group's columns until the file is closed.
        table = pq.ParquetFile(file, pre_buffer=False)
    except pa.ArrowInvalid:
        raise UserError(f"{file}: not a complete Parquet file; copy it again") from None
    with table:
        schema = table.schema_arrow
        _need(columns.names(), schema.names, file)
        for column in columns.names():
            kind = schema.field(column).type
            text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
            if not text and (column == columns.text or not pa.types.is_integer(kind)):
                expected = "text" if column == columns.text else "text or whole numbers"
                raise UserError(f"{file}: column {column} is {kind}, expected {expected}; cast it")
        number = 0
        for batch in table.iter_batches(batch_size=_BATCH, columns=columns.names()):
            try:
                rows = batch.to_pylist()
            except UnicodeDecodeError:
                raise UserError(f"{file}, after row {number}: not UTF-8; write the table again") from None
            for row in rows:
                number += 1
                yield f"{file}, row {number}", None, row
