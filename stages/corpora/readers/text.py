"""Plain text folders: one untagged note per .txt file; its name, with the folders above it, is the note id."""

from collections.abc import Iterator
from pathlib import Path

from stages.corpora.readers.base import Met, Raw, RawNote, decode, files, name_of


class Params(Raw):
    """Nothing beyond what every format has."""


def read(path: Path, params: Params, met: Met) -> Iterator[RawNote]:
    """The notes below `path`, by name. A byte-order mark is kept: it is a code point of the text."""
    for file in files(path, ".txt"):
        yield RawNote(name_of(file, path), decode(file.read_bytes(), file), file)
