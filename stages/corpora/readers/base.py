"""What the readers share: raw notes and tags, the settings of every format, and strict UTF-8 files.

A reader module has a settings class and `read(path, settings, counts)`, which yields the notes of one part, one in
memory at a time, and counts what it leaves out. It neither judges nor repairs tags: stages/corpora/resolve.py does.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from stages.runtime.errors import UserError, at
from stages.runtime.params import Pattern, Section

BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class RawSpan:
    """A tag as annotated: one or more (start, end) fragments, in code points of the note's text.

    `surface` is the text that the source gives for the fragments, None where it gives none; `line` is the tag's line
    in its file.
    """

    fragments: tuple[tuple[int, int], ...]
    label: str
    line: int | None = None
    surface: str | None = None


@dataclass(frozen=True, slots=True)
class RawNote:
    """A note as stored in the source. `group` is None where the source names none; `line` is the note's first line.

    `tag_file` is the file that the line numbers of the spans refer to, if it is another one.
    """

    note_id: str
    text: str
    file: Path
    line: int | None = None
    group: str | None = None
    spans: tuple[RawSpan, ...] = ()
    tag_file: Path | None = None


def _below(place: str) -> str:
    if PurePosixPath(place).is_absolute() or ".." in PurePosixPath(place).parts:
        raise ValueError(f"{place} leaves the raw folder, so DVC would not notice a change")
    return place


def _with_one_group(pattern: str) -> str:
    if re.compile(pattern).groups != 1:
        raise ValueError("needs exactly one (group), such as ^(.*)-[0-9]+$")
    return pattern


Place = Annotated[str, AfterValidator(_below)]


class RawSettings(Section):
    """How a raw corpus is read: the settings of every format."""

    format: str
    """Format of the files: brat, conll, i2b2, jsonl, table or text."""
    parts: dict[str, Place] | None = Field(default=None, min_length=1)
    """Official split: name of the part -> its folder or file below the raw folder. `test` is the part tested on."""
    path: Place | None = None
    """Without an official split: the folder or file below the raw folder; "." is the whole folder."""
    group_pattern: Annotated[Pattern, AfterValidator(_with_one_group)] | None = None
    """Regular expression whose one (group) extracts the group id, such as a patient's, from the note id. null makes
    each note a group of its own."""
    empty_notes: Literal["error", "skip"] = "error"
    """What to do with a note that has no visible character."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.parts is None) == (self.path is None):
            raise ValueError("name either parts (an official split) or path")
        return self


class Columns(Section):
    """Names of the columns of a table, or of the keys of a JSON object, that hold a note."""

    id: str
    """Name of the note id, which is unique in the corpus."""
    text: str
    """Name of the note's text."""
    group: str | None = None
    """Name of the group id, such as the patient's. null takes it from `group_pattern`, or makes each note a group of
    its own."""


class TaggedSettings(RawSettings):
    """The settings of every format with tags. By default every irregular tag is an error: nothing changes unasked."""

    rename: dict[str, str | None] = Field(default_factory=dict)
    """Raw label -> one of the corpus's `labels`, or null to drop its spans. Other raw labels must be in `labels`."""
    overlapping: Literal["error", "keep_longest", "keep_first"] = "error"
    """What to do with overlapping spans. `keep_first` keeps the span that starts first, and of those the longest."""
    discontinuous: Literal["error", "hull", "fragments", "drop"] = "error"
    """What to do with spans in fragments that have words between them: `hull` makes one span over all fragments,
    `fragments` one span of each. Fragments with only white space between them are one span: brat writes a span with a
    line break so."""
    invalid_offsets: Literal["error", "drop"] = "error"
    """What to do with spans that are empty, outside the text, or do not cover what the source says they cover."""
    spaced_edges: Literal["error", "trim"] = "error"
    """What to do with spans that begin or end with white space."""


def files(path: Path, *suffixes: str) -> list[Path]:
    """`path` itself if it is a file, else all files below it with one of the suffixes, in either case, sorted.

    Hidden files are left out. Raises UserError if there is none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: no such file or folder; correct parts or path of this corpus in params.yaml")
    below = [file for file in path.rglob("*") if file.name.lower().endswith(suffixes) and file.is_file()]
    found = sorted(file for file in below if not any(part[0] == "." for part in file.relative_to(path).parts))
    if not found:
        raise UserError(f"{path}: no file named *{', *'.join(suffixes)} in this folder; correct format or path")
    return found


def name_of(file: Path, path: Path) -> str:
    """Path of a file below the part's `path`, without suffix: the id of its note, or the prefix of its notes' ids."""
    relative = file.relative_to(path if file != path else path.parent)
    name = Path(relative.stem if relative.suffix.lower() == ".gz" else relative.name)
    return relative.with_name(name.stem).as_posix()


def decode(content: bytes, file: Path, line: int = 1, offset: int = 0) -> str:
    """`content`, which begins at `line` and byte `offset` of `file`, as text. Raises UserError if it is not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        where = at(file, line + content.count(b"\n", 0, error.start))
        raise UserError(
            f"{where}: not UTF-8 at byte {offset + error.start}; convert the file "
            "(iconv -f ISO-8859-1 -t UTF-8) and check its offsets again"
        ) from None


def lines(file: Path) -> Iterator[tuple[int, str]]:
    """Stream (number, line with its line end) of a file, gzipped or not. Only LF ends a line.

    A byte-order mark at the start of a file with many notes belongs to none of them and is removed.
    """
    offset = 0
    try:
        with gzip.open(file, "rb") if file.suffix.lower() == ".gz" else file.open("rb") as stream:
            for number, content in enumerate(stream, 1):
                line = decode(content, file, number, offset)
                yield number, line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
                offset += len(content)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise UserError(f"{file}: not a complete gzip file; copy it again") from None
