"""JSONL, plain or gzip: an object per line with an id, a text and, if the corpus is tagged, spans.

A span is an object with start, end and label, or a [start, end, label] list; offsets count code points (Python), not
bytes or UTF-16 units. Other keys are left out.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.corpora.readers.base import Met, RawNote, RawSpan, Tagged, files, lines
from stages.shared.errors import UserError, at
from stages.shared.params import Section

SUFFIXES = (".jsonl", ".jsonl.gz")
# JSON may hold one, UTF-8 and so the note table may not.
_HALF_PAIR = re.compile("[\ud800-\udfff]")


class Fields(Section):
    """Names of the keys of a line."""

    # Key of the note id, text or whole number.
    id: str
    # Key of the note's text.
    text: str
    # Key of the group id; null: from group_pattern, or each note is its own group.
    group: str | None = None
    # Key of the list of spans; null: an untagged corpus.
    spans: str | None = None


class Params(Tagged):
    """Params of JSONL files."""

    # Names of the keys.
    fields: Fields


def read(path: Path, params: Params, met: Met) -> Iterator[RawNote]:
    """The notes of a file or of all files below `path`; UserError on a line that is not such an object."""
    for file in files(path, *SUFFIXES):
        for number, line in lines(file):
            if line.strip():
                yield _note(line, params.fields, file, number)


def _note(line: str, names: Fields, file: Path, number: int) -> RawNote:
    where = at(file, number)
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{where}: not valid JSON at column {error.colno} ({error.msg}); correct the line"
        ) from None
    if not isinstance(row, dict):
        raise UserError(f"{where}: not a JSON object; each line is one note")
    text = _value(row, names.text, where)
    if not isinstance(text, str):
        raise UserError(f"{where}: {names.text} is not text; correct the line")
    if _HALF_PAIR.search(text):
        raise UserError(f"{where}: {names.text} has half of a \\u surrogate pair; write the character itself")
    spans = _value(row, names.spans, where) if names.spans else []
    if not isinstance(spans, list):
        raise UserError(f"{where}: {names.spans} is not a list; [] means no tags")
    return RawNote(
        note_id=_identifier(row, names.id, where),
        text=text,
        file=file,
        line=number,
        group=_identifier(row, names.group, where) if names.group else None,
        spans=tuple(_span(span, names.spans, where, number) for span in spans),
        tag_file=file,
    )


def _value(row: dict[str, Any], name: str, where: str) -> Any:
    if name not in row:
        raise UserError(f"{where}: no key {name}; correct the line or `fields` in params.yaml")
    return row[name]


def _identifier(row: dict[str, Any], name: str, where: str) -> str:
    value = _value(row, name, where)
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise UserError(f"{where}: {name} is neither text nor a whole number; correct the line")
    return str(value)


def _span(span: Any, name: str | None, where: str, number: int) -> RawSpan:
    if isinstance(span, dict):
        start, end, label = span.get("start"), span.get("end"), span.get("label")
    elif isinstance(span, list) and len(span) == 3:
        start, end, label = span
    else:
        start = end = label = None
    if type(start) is not int or type(end) is not int or not isinstance(label, str):
        raise UserError(
            f"{where}: a span in {name} lacks start and end (whole numbers) or label; correct the line"
        )
    return RawSpan(((start, end),), label, number)
