"""brat stand-off format: NAME.txt holds the text of a note, NAME.ann its tags; NAME is the note id.

Offsets count code points of the .txt, including a byte-order mark and every CR. Text-bound lines (T) are read;
relations, events, attributes and comments are counted and left out.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from stages.corpora.readers.base import BYTE_ORDER_MARK, RawNote, RawSpan, TaggedSettings, decode, files, name_of
from stages.runtime.errors import UserError, at

_FRAGMENT = "[0-9]{1,15} [0-9]{1,15}"
_TEXT_BOUND = re.compile(rf"T[^\t]*\t(\S+) ({_FRAGMENT}(?:;{_FRAGMENT})*)\t(.*)", re.DOTALL)
# Relation, event, attribute, modification, normalisation, comment, equivalence.
_OTHER = re.compile(r"(?:[REAMN]\d+|#\d*|\*)\t.*", re.DOTALL)


class Brat(TaggedSettings):
    """brat stand-off files."""

    format: Literal["brat"]


def read(path: Path, settings: Brat, counts: Counter[str]) -> Iterator[RawNote]:
    """The notes below `path`, by name. Raises UserError for a file without its partner or a malformed line."""
    for file in files(path, ".txt", ".ann"):
        is_text = file.suffix.lower() == ".txt"
        suffix = ".ann" if is_text else ".txt"
        partner = next((path for path in map(file.with_suffix, (suffix, suffix.upper())) if path.is_file()), None)
        if partner is None:
            raise UserError(
                f"{file}: has no {file.stem}{suffix} beside it; add it (an empty .ann means no tags) or remove this "
                "file"
            )
        if is_text:
            spans = tuple(_spans(partner, counts))
            yield RawNote(name_of(file, path), decode(file.read_bytes(), file), file, spans=spans, tag_file=partner)


def _spans(file: Path, counts: Counter[str]) -> Iterator[RawSpan]:
    content = decode(file.read_bytes(), file).removeprefix(BYTE_ORDER_MARK)
    for number, line in enumerate(content.split("\n"), 1):
        line = line.removesuffix("\r")
        if match := _TEXT_BOUND.fullmatch(line):
            label, offsets, surface = match.groups()
            edges = (fragment.split(" ") for fragment in offsets.split(";"))
            yield RawSpan(tuple((int(start), int(end)) for start, end in edges), label, number, surface)
        elif _OTHER.fullmatch(line):
            counts["other_annotations"] += 1
        elif line.strip():
            raise UserError(f"{at(file, number)}: not a brat line; expected ID<TAB>LABEL START END<TAB>covered text")
