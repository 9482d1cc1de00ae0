"""Folders of plain text: one untagged note per .txt file. The file's path without suffix is the note id."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from stages.corpora.readers.base import RawNote, RawSettings, decode, files, name_of


class Text(RawSettings):
    """Plain text files."""

    format: Literal["text"]


def read(path: Path, settings: Text, counts: Counter[str]) -> Iterator[RawNote]:
    """The notes below `path`, by name. A byte-order mark is kept: it is a code point of the text."""
    for file in files(path, ".txt"):
        yield RawNote(name_of(file, path), decode(file.read_bytes(), file), file)
