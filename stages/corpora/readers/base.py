"""What all readers share: a note as its file has it, the params of every format, and strict UTF-8 files.

A reader module has a params class `Params` and `read(path, params, met)`, which streams the notes of one part, one in
memory at a time, and counts in `met` what it passed over. It neither judges nor repairs tags: `resolve` does.
"""

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal, Self

from pydantic import Field, field_validator, model_validator

from stages.shared.errors import UserError, at
from stages.shared.params import Section

MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class RawSpan:
    """A tag as annotated: one or more (start, end) fragments in code points of the note's text.

    `surface` is what the source says the fragments cover, where it says so; `line` is the tag's line in its file.
    """

    fragments: tuple[tuple[int, int], ...]
    label: str
    line: int | None = None
    surface: str | None = None


@dataclass(frozen=True, slots=True)
class RawNote:
    """A note as its file has it. `group` is None where the source names none; `line` is where the note begins.

    `tag_file` is the file that the lines of the spans count in.
    """

    note_id: str
    text: str
    file: Path
    line: int | None = None
    group: str | None = None
    spans: tuple[RawSpan, ...] = ()
    tag_file: Path | None = None


class Raw(Section):
    """Params of every format (params.yaml: `corpora.<name>.raw`)."""

    # Which reader: brat, conll, i2b2, jsonl, table or text.
    format: str
    # Official split name -> folder or file below the raw folder; the name fills the notes' `split`.
    parts: dict[str, str] | None = Field(None, min_length=1)
    # Without an official split: the one folder or file below the raw folder ("." is the folder itself).
    path: str | None = None
    # Regular expression whose one (group) takes the group id out of the note id; null: each note is its own group.
    group_pattern: str | None = None
    # A note with no visible character: error or skip.
    empty_notes: Literal["error", "skip"] = "error"

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.parts is None) == (self.path is None):
            raise ValueError("name either parts (an official split) or path")
        return self

    @field_validator("parts", "path")
    @classmethod
    def _below_raw(cls, value: dict[str, str] | str | None) -> dict[str, str] | str | None:
        for place in value.values() if isinstance(value, dict) else [value or "."]:
            if PurePosixPath(place).is_absolute() or ".." in PurePosixPath(place).parts:
                raise ValueError(f"{place} leaves the raw folder; DVC would not see it change")
        return value

    @field_validator("group_pattern")
    @classmethod
    def _one_group(cls, value: str | None) -> str | None:
        try:
            if value is not None and re.compile(value).groups != 1:
                raise ValueError("needs exactly one (group), such as ^(.*)-[0-9]+$")
        except re.error as error:
            raise ValueError(f"is not a regular expression ({error})") from None
        return value


class Tagged(Raw):
    """Params of every format that has tags. A policy's default is `error`: no tag changes unasked."""

    # Raw label -> our label, or null to drop its spans; a plain list keeps the names. Any other label is an error.
    labels: dict[str, str | None] | list[str]
    # Spans that overlap: error, keep_longest, or keep_first (the one that starts first, of those the longest).
    overlapping: Literal["error", "keep_longest", "keep_first"] = "error"
    # Spans in pieces with words between them: error, hull (one span over all), fragments (a span each) or drop.
    # Pieces with only white space between are one span: brat writes a line-broken span so.
    discontinuous: Literal["error", "hull", "fragments", "drop"] = "error"
    # Spans that are empty, outside the text, or not covering what the source says they cover: error or drop.
    invalid_offsets: Literal["error", "drop"] = "error"
    # Spans that begin or end on white space: error or trim.
    spaced_edges: Literal["error", "trim"] = "error"

    def label_map(self) -> Mapping[str, str | None]:
        """Raw label -> our label or None, also where params give a plain list."""
        return self.labels if isinstance(self.labels, dict) else {label: label for label in self.labels}


def files(path: Path, *suffixes: str) -> list[Path]:
    """`path` itself if it is a file, or all files below it with one of the suffixes, sorted, without hidden ones.

    UserError where there is none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(
            f"{path}: no such file or folder; correct parts or path of this corpus in params.yaml"
        )
    found = sorted(
        file
        for file in path.rglob("*")
        if file.name.endswith(suffixes)
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    if not found:
        raise UserError(
            f"{path}: no file named *{', *'.join(suffixes)} in this folder; correct format or path"
        )
    return found


def name_of(file: Path, path: Path) -> str:
    """Name of a file below the part's `path` without suffixes: the id of its note, or the stem of its ids."""
    relative = file.relative_to(path) if file != path else Path(file.name)
    stem = relative.name.removesuffix(".gz")
    return (relative.parent / Path(stem).stem).as_posix()


def decode(content: bytes, file: Path, line: int = 1, offset: int = 0) -> str:
    """`content`, which begins at `line` and byte `offset` of `file`, as text; UserError where it is not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        where = at(file, line + content.count(b"\n", 0, error.start))
        raise UserError(
            f"{where}: not UTF-8 at byte {offset + error.start}; convert the file "
            "(iconv -f ISO-8859-1 -t UTF-8) and check its offsets again"
        ) from None


def lines(file: Path) -> Iterator[tuple[int, str]]:
    """(number, line with its line end) of a file, gzip or not, streamed; only LF ends a line.

    A byte-order mark at the start of a file of many notes belongs to none of them and is left out.
    """
    offset = 0
    try:
        with open_bytes(file) as stream:
            for number, content in enumerate(stream, 1):
                line = decode(content, file, number, offset)
                yield number, line.removeprefix(MARK) if number == 1 else line
                offset += len(content)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise UserError(f"{file}: not a complete gzip file; copy it again") from None


def open_bytes(file: Path) -> BinaryIO:
    """The file's bytes, unpacked if its name ends in .gz."""
    return gzip.open(file, "rb") if file.suffix == ".gz" else open(file, "rb")


Met = Counter[str]
