"""i2b2 2014 XML: one note per .xml, TEXT (one CDATA block) and TAGS; the file name is the note id, TYPE the label.

The note's text is what an XML parser gives, so CRLF in the file is LF in the text: offsets count in that, which the
`text` attribute of every tag proves (an attribute has a space where the text has a line break).
"""

from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from stages.corpora.readers.base import MARK, Met, RawNote, RawSpan, Tagged, decode, files, name_of
from stages.shared.errors import UserError, at


class Params(Tagged):
    """Nothing beyond what every tagged format has."""


def read(path: Path, params: Params, met: Met) -> Iterator[RawNote]:
    """The notes below `path`, by name; UserError on malformed XML or a tag without start, end or TYPE."""
    for file in files(path, ".xml"):
        source = decode(file.read_bytes(), file).removeprefix(MARK)
        met["xml_crlf_read_as_lf"] += "\r" in source
        parsed = _Parser(file, source)
        yield RawNote(
            name_of(file, path), "".join(parsed.text), file, spans=tuple(parsed.spans), tag_file=file
        )


class _Parser:
    """Text and spans of one file. expat gives line numbers; a DOCTYPE is refused, so no entity can be declared."""

    def __init__(self, file: Path, source: str) -> None:
        self.text: list[str] = []
        self.spans: list[RawSpan] = []
        self._file = file
        self._open: list[str] = []
        self._texts = 0
        self._parser = expat.ParserCreate(encoding="utf-8")
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        try:
            self._parser.Parse(source, True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise UserError(f"{at(file, error.lineno)}: malformed XML ({reason}); correct the file") from None
        if self._texts != 1:
            raise UserError(f"{file}: {self._texts} TEXT elements; an i2b2 file has one below its root")

    def _doctype(self, *_: object) -> None:
        self._stop("DOCTYPE is not read; remove it")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._open.append(name)
        inside = self._open[1:-1]
        if inside[:1] == ["TEXT"]:
            self._stop("markup inside TEXT; put the text into one CDATA block")
        if self._open[1:] == ["TEXT"]:
            self._texts += 1
        if inside == ["TAGS"]:
            self.spans.append(self._span(attributes))

    def _span(self, attributes: dict[str, str]) -> RawSpan:
        try:
            fragment = (int(attributes["start"]), int(attributes["end"]))
            label = attributes["TYPE"]
        except (KeyError, ValueError):
            self._stop("a tag needs start and end (whole numbers) and TYPE; add them")
        return RawSpan((fragment,), label, self._parser.CurrentLineNumber, attributes.get("text"))

    def _end(self, name: str) -> None:
        self._open.pop()

    def _characters(self, text: str) -> None:
        if self._open[1:] == ["TEXT"]:
            self.text.append(text)

    def _stop(self, message: str) -> None:
        raise UserError(f"{at(self._file, self._parser.CurrentLineNumber)}: {message}")
