"""i2b2 2014 XML: one note per .xml, with elements TEXT (one CDATA block) and TAGS; TYPE of a tag is its label.

The file's name is the note id. The text is what an XML parser returns, so CRLF in the file is LF in the text, and
offsets refer to that: the `text` attribute of every tag confirms it (with a space for a line break).
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NoReturn
from xml.parsers import expat

from stages.corpora.readers.base import BYTE_ORDER_MARK, RawNote, RawSpan, TaggedSettings, decode, files, name_of
from stages.runtime.errors import UserError, at


class I2b2(TaggedSettings):
    """i2b2 2014 XML files."""

    format: Literal["i2b2"]


def read(path: Path, settings: I2b2, counts: Counter[str]) -> Iterator[RawNote]:
    """The notes below `path`, by name. Raises UserError for malformed XML or a tag without start, end or TYPE."""
    for file in files(path, ".xml"):
        source = decode(file.read_bytes(), file).removeprefix(BYTE_ORDER_MARK)
        counts["xml_crlf_read_as_lf"] += "\r" in source
        parsed = _Parser(file, source)
        yield RawNote(name_of(file, path), "".join(parsed.text), file, spans=tuple(parsed.spans))


class _Parser:
    """Text and spans of one file, parsed by expat for its line numbers. Refuses DOCTYPE, so no entity is declared."""

    def __init__(self, file: Path, source: str) -> None:
        self.text: list[str] = []
        self.spans: list[RawSpan] = []
        self._file = file
        self._open: list[str] = []
        self._elements = {"TEXT": 0, "TAGS": 0}
        self._parser = expat.ParserCreate(encoding="utf-8")
        self._parser.StartDoctypeDeclHandler = lambda *_: self._stop("DOCTYPE is not read; remove it")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = lambda _: self._open.pop()
        self._parser.CharacterDataHandler = self._characters
        try:
            self._parser.Parse(source, True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise UserError(f"{at(file, error.lineno)}: malformed XML ({reason}); correct the file") from None
        for name, count in self._elements.items():
            if count != 1:
                raise UserError(
                    f"{file}: {count} {name} elements; an i2b2 file has one below its root, maybe an empty one"
                )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._open.append(name)
        inside = self._open[1:-1]
        if inside[:1] == ["TEXT"]:
            self._stop("markup inside TEXT; put the text into one CDATA block")
        if len(self._open) == 2 and name in self._elements:
            self._elements[name] += 1
        if inside == ["TAGS"]:
            try:
                fragment, label = (int(attributes["start"]), int(attributes["end"])), attributes["TYPE"]
            except (KeyError, ValueError):
                self._stop("a tag needs start and end (whole numbers) and TYPE; add them")
            self.spans.append(RawSpan((fragment,), label, self._parser.CurrentLineNumber, attributes.get("text")))

    def _characters(self, text: str) -> None:
        if self._open[1:] == ["TEXT"]:
            self.text.append(text)

    def _stop(self, message: str) -> NoReturn:
        raise UserError(f"{at(self._file, self._parser.CurrentLineNumber)}: {message}")
