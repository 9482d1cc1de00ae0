"""JSON Lines, plain or gzipped: one object per line with an id, a text and, if the corpus is tagged, spans.

A span is an object with start, end and label, or a list [start, end, label]. Offsets count code points, as in Python,
not bytes or UTF-16 units; if a span also has a `text`, it must be the text at its offsets. Other keys are ignored.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from stages.corpora.readers.base import Columns, RawNote, RawSpan, TaggedSettings, files, lines
from stages.notes import jsonl
from stages.runtime.errors import UserError, at


class Fields(Columns):
    """Names of the keys of a line."""

    spans: str | None = None
    """Key of the list of spans. null for a corpus without tags."""


class Jsonl(TaggedSettings):
    """JSON Lines files."""

    format: Literal["jsonl"]
    fields: Fields
    """Names of the keys of a line."""


def read(path: Path, settings: Jsonl, counts: Counter[str]) -> Iterator[RawNote]:
    """The notes of a file or of all files below `path`. Raises UserError for a line that is no such object."""
    for file in files(path, ".jsonl", ".jsonl.gz"):
        for number, line in lines(file):
            if line.strip():
                yield _note(line, settings.fields, file, number)


def _note(line: str, fields: Fields, file: Path, number: int) -> RawNote:
    where = at(file, number)
    row = jsonl.parse(line, where)
    for name in (fields.id, fields.text, fields.group, fields.spans):
        if name and name not in row:
            raise UserError(f"{where}: no key {name}; correct the line or `fields` in params.yaml")
    text, spans = row[fields.text], row[fields.spans] if fields.spans else []
    if not isinstance(text, str):
        raise UserError(f"{where}: {fields.text} is not text; correct the line")
    if not isinstance(spans, list):
        raise UserError(f"{where}: {fields.spans} is not a list; [] means no tags")
    note_id = _identifier(row[fields.id], fields.id, where)
    group = _identifier(row[fields.group], fields.group, where) if fields.group else None
    tags = tuple(_span(span, fields.spans, where, number) for span in spans)
    return RawNote(note_id, text, file, number, group, tags)


def _identifier(value: Any, name: str, where: str) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise UserError(f"{where}: {name} is neither text nor a whole number; correct the line")
    return str(value)


def _span(span: Any, name: str | None, where: str, number: int) -> RawSpan:
    match span:
        case {"start": start, "end": end, "label": str(label)} | [start, end, str(label)] if (
            type(start) is type(end) is int
        ):
            surface = span.get("text") if isinstance(span, dict) else None
            if surface is None or isinstance(surface, str):
                return RawSpan(((start, end),), label, number, surface)
    problem = f"a span in {name} lacks start and end (whole numbers) or label, or has a text that is none"
    raise UserError(f"{where}: {problem}; correct the line")
