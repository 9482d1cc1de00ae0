"""CoNLL/IOB: one token per line, in the first column, with its tag in the last; separated by tabs or spaces.

A CoNLL file does not keep white space, so the text is rebuilt: one space between tokens, a line break after each
sentence (a blank line). Offsets refer to that text. Note ids are the file's name and a number: train-1.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from stages.corpora.readers.base import RawNote, RawSpan, TaggedSettings, files, lines, name_of
from stages.runtime.errors import UserError, at

SUFFIXES = (".conll", ".iob", ".tsv", ".txt", ".conll.gz", ".iob.gz", ".tsv.gz", ".txt.gz")
_DOCSTART = "-DOCSTART-"
# The number of a line and its columns, of which a blank line has none.
_Row = tuple[int, list[str]]


class Conll(TaggedSettings):
    """CoNLL files."""

    format: Literal["conll"]
    separator: Literal["tab", "space"]
    """What separates columns: exactly one tab, or any run of spaces and tabs."""
    columns: int = Field(ge=2)
    """Number of columns of every token line."""
    documents: Literal["docstart", "blank_line", "file"]
    """What a note is: the lines after a -DOCSTART- line (blank lines then end sentences), a block between blank
    lines, or a whole file."""
    orphan_inside: Literal["error", "begin"] = "error"
    """What to do with I-X that does not follow a tag of X; `begin` reads it as B-X, as in the older IOB1 scheme."""


def read(path: Path, settings: Conll, counts: Counter[str]) -> Iterator[RawNote]:
    """The notes of a file or of all files below `path`. Raises UserError for a line that breaks the settings."""
    for file in files(path, *SUFFIXES):
        for number, (first, rows) in enumerate(_documents(file, settings), 1):
            note_id = name_of(file, path) if settings.documents == "file" else f"{name_of(file, path)}-{number}"
            text, spans = _parsed(rows, file, settings, counts)
            yield RawNote(note_id, text, file, first, spans=spans)


def _documents(file: Path, settings: Conll) -> Iterator[tuple[int, list[_Row]]]:
    """The number of the first line, and the rows, of each document."""
    first = 1
    rows: list[_Row] | None = [] if settings.documents == "file" else None
    for number, line in lines(file):
        line = line.rstrip("\r\n")
        bare = line.strip(" \t")
        fields = [] if not bare else line.split("\t") if settings.separator == "tab" else re.split(r"[ \t]+", bare)
        # Some files separate the columns of this line otherwise than those of the others.
        starts = bare.split(maxsplit=1)[:1] == [_DOCSTART]
        if starts and settings.documents != "docstart":
            raise UserError(f"{at(file, number)}: a -DOCSTART- line; set documents: docstart")
        if starts or (not fields and settings.documents == "blank_line"):
            if rows is not None:
                yield first, rows
            first, rows = number, [] if starts else None
        elif rows is not None:
            rows.append((number, fields))
        elif fields:
            if settings.documents == "docstart":
                problem = "a token before the first -DOCSTART-; set documents to blank_line or file"
                raise UserError(f"{at(file, number)}: {problem}")
            first, rows = number, [(number, fields)]
    if rows is not None:
        yield first, rows


def _parsed(rows: list[_Row], file: Path, settings: Conll, counts: Counter[str]) -> tuple[str, tuple[RawSpan, ...]]:
    """The text and the spans of a document."""
    text = gap = ""
    spans: list[RawSpan] = []
    # Label of the span that the next I- may continue.
    open_label: str | None = None
    for number, fields in rows:
        if not fields:
            # A sentence ends, and with it a span.
            gap, open_label = "\n" if text else "", None
            continue
        if len(fields) != settings.columns:
            raise UserError(
                f"{at(file, number)}: {len(fields)} columns instead of {settings.columns}; "
                "correct the line, or separator and columns in params.yaml"
            )
        token, tag = fields[0], fields[-1]
        if not token:
            raise UserError(f"{at(file, number)}: no token before the separator; correct the line")
        start = len(text) + len(gap)
        text += gap + token
        gap = " "
        prefix, _, label = tag.partition("-")
        if tag == "O":
            open_label = None
            continue
        if prefix not in ("B", "I") or not label:
            raise UserError(f"{at(file, number)}: the last column is not O, B-LABEL or I-LABEL; correct it")
        if prefix == "I" and label == open_label:
            begun = spans.pop()
            spans.append(replace(begun, fragments=((begun.fragments[0][0], len(text)),)))
            continue
        if prefix == "I":
            if settings.orphan_inside == "error":
                raise UserError(
                    f"{at(file, number)}: I- with no B- or I- of its label before it; "
                    "correct it or set orphan_inside: begin"
                )
            counts["orphan_inside_begun"] += 1
        spans.append(RawSpan(((start, len(text)),), label, number))
        open_label = label
    return text, tuple(spans)
