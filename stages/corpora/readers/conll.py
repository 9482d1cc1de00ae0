"""CoNLL/IOB: a token per line, its first column the token and its last the tag, tab or space separated.

A CoNLL file has lost its white space, so the text is made: one space between tokens, a line break after a sentence
(a blank line). Offsets count in that text. Documents are numbered within their file, which names them: train-1.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from stages.corpora.readers.base import Met, RawNote, RawSpan, Tagged, files, lines, name_of
from stages.shared.errors import UserError, at

SUFFIXES = (".conll", ".iob", ".tsv", ".txt", ".conll.gz", ".iob.gz", ".tsv.gz", ".txt.gz")
_DOCSTART = "-DOCSTART-"


class Params(Tagged):
    """Params of CoNLL files."""

    # Between columns: tab (exactly one) or space (any run of spaces and tabs).
    separator: Literal["tab", "space"]
    # Columns of every token line.
    columns: int = Field(ge=2)
    # What is a note: what follows a -DOCSTART- line (blank lines are sentences), what blank lines part, or a file.
    documents: Literal["docstart", "blank_line", "file"]
    # I-X where no X goes before it: error, or begin (as B-X, which is how the older IOB1 scheme begins a span).
    orphan_inside: Literal["error", "begin"] = "error"


def read(path: Path, params: Params, met: Met) -> Iterator[RawNote]:
    """The notes of a file or of all files below `path`; UserError on a line that does not fit the params."""
    for file in files(path, *SUFFIXES):
        name = name_of(file, path)
        count = 0
        note: _Note | None = _Note(file, 1) if params.documents == "file" else None
        for number, line in lines(file):
            fields = _fields(line, params)
            if fields and fields[0] == _DOCSTART:
                if params.documents != "docstart":
                    raise UserError(f"{at(file, number)}: a -DOCSTART- line; set documents: docstart")
                if note:
                    count += 1
                    yield note.done(f"{name}-{count}")
                note = _Note(file, number)
            elif fields:
                if note is None and params.documents == "docstart":
                    raise UserError(
                        f"{at(file, number)}: a token before the first -DOCSTART-; "
                        "set documents to blank_line or file"
                    )
                note = note or _Note(file, number)
                note.add(fields, number, params, met)
            elif note and params.documents == "blank_line":
                count += 1
                yield note.done(f"{name}-{count}")
                note = None
            elif note:
                note.end_sentence()
        if note:
            yield note.done(f"{name}-{count + 1}" if params.documents != "file" else name)


def _fields(line: str, params: Params) -> list[str]:
    """The columns of a line, none for a blank one."""
    line = line.rstrip("\r\n")
    if not line.strip(" \t"):
        return []
    return line.split("\t") if params.separator == "tab" else re.split(r"[ \t]+", line.strip(" \t"))


class _Note:
    """A note as its tokens come in."""

    def __init__(self, file: Path, line: int) -> None:
        self._file = file
        self._line = line
        self._pieces: list[str] = []
        self._length = 0
        self._gap = ""
        self._spans: list[RawSpan] = []
        # Label of the span that the next I- may continue.
        self._label: str | None = None

    def add(self, fields: list[str], number: int, params: Params, met: Met) -> None:
        """Append one token with its tag."""
        if len(fields) != params.columns:
            raise UserError(
                f"{at(self._file, number)}: {len(fields)} columns instead of {params.columns}; "
                "correct the line, or separator and columns in params.yaml"
            )
        token, tag = fields[0], fields[-1]
        if not token:
            raise UserError(f"{at(self._file, number)}: no token before the separator; correct the line")
        start = self._length + len(self._gap)
        self._pieces += [self._gap, token]
        self._length = end = start + len(token)
        self._gap = " "
        if tag == "O":
            self._label = None
            return
        prefix, _, label = tag.partition("-")
        if prefix not in ("B", "I") or not label:
            raise UserError(
                f"{at(self._file, number)}: the last column is not O, B-LABEL or I-LABEL; correct it"
            )
        if prefix == "I" and label != self._label:
            if params.orphan_inside == "error":
                raise UserError(
                    f"{at(self._file, number)}: I- with no B- or I- of its label before it; "
                    "correct it or set orphan_inside: begin"
                )
            met["orphan_inside_begun"] += 1
            prefix = "B"
        if prefix == "I":
            first = self._spans.pop()
            self._spans.append(RawSpan(((first.fragments[0][0], end),), label, first.line))
        else:
            self._spans.append(RawSpan(((start, end),), label, number))
        self._label = label

    def end_sentence(self) -> None:
        """A line break before the next token; a span does not go on across it."""
        self._gap = "\n" if self._pieces else ""
        self._label = None

    def done(self, note_id: str) -> RawNote:
        """The whole note."""
        return RawNote(
            note_id,
            "".join(self._pieces),
            self._file,
            self._line,
            spans=tuple(self._spans),
            tag_file=self._file,
        )
