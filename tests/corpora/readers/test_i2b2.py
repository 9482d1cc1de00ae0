"""i2b2 2014 XML: the text of an XML parser, tags proved by their text attribute."""

from pathlib import Path
from typing import Any

import pytest

from stages.notes.note_table import Span
from tests.corpora.raw import SECRET, catalog, fails, raw_notes, read, real, spans

I2B2: dict[str, Any] = {"format": "i2b2", "labels": ["DOCTOR", "DATE"]}


def xml(text: str, *tags: str) -> str:
    """One file in the i2b2 2014 layout; the first tag is on the line after TAGS."""
    lines = "".join(f"    {tag}\n" for tag in tags)
    head = '<?xml version="1.0" encoding="UTF-8" ?>\n'
    return f"{head}<deId>\n<TEXT><![CDATA[{text}]]></TEXT>\n<TAGS>\n{lines}</TAGS>\n</deId>\n"


def name(start: int, end: int, text: str, label: str = "DOCTOR") -> str:
    """One tag."""
    return f'<NAME id="P0" start="{start}" end="{end}" text="{text}" TYPE="{label}" comment="" />'


def test_text_and_tags_of_a_note(tmp_path: Path) -> None:
    text = "\ufeffDr. Ana < Ruiz &amp;\t👩🏽 José"
    files = {"220-01.xml": xml(text, name(5, 8, "Ana"), name(len(text) - 4, len(text), "José"))}
    [note], report = read(tmp_path, files, group_pattern="^([0-9]+)-", **I2B2)
    assert (note.note_id, note.group_id, note.split) == ("220-01", "220", None)
    assert note.text == text
    assert spans(note) == [(5, 8, "DOCTOR", "Ana"), (25, 29, "DOCTOR", "José")]
    assert report["met"]["notes_with_byte_order_mark"] == 1


def test_a_line_break_in_the_text_is_a_space_in_the_attribute(tmp_path: Path) -> None:
    [note], _ = read(tmp_path, {"a.xml": xml("de Ana\nRuiz", name(3, 11, "Ana Ruiz"))}, **I2B2)
    assert spans(note) == [(3, 11, "DOCTOR", "Ana\nRuiz")]


def test_crlf_in_the_file_is_lf_in_the_text_and_counted(tmp_path: Path) -> None:
    files = {"a.xml": xml("de\nAna", name(3, 6, "Ana")).replace("\n", "\r\n")}
    [note], report = read(tmp_path, files, **I2B2)
    assert note.text == "de\nAna"
    assert spans(note) == [(3, 6, "DOCTOR", "Ana")]
    assert report["met"]["xml_crlf_read_as_lf"] == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (xml(SECRET, name(0, 8, SECRET)), ["a.xml:5: ", "not the covered text", "invalid_offsets"]),
        (xml(SECRET, name(-1, -1, "")), ["a.xml:5: ", "outside the text"]),
        (xml(SECRET, name(0, 9, SECRET, "CITY")), ["a.xml:5: the label of this tag is unknown"]),
        (xml(SECRET, '<NAME start="0" text="x" TYPE="DOCTOR"/>'), ["a.xml:5: a tag needs start and end"]),
        (xml(SECRET, '<NAME start="0" end="9.0" TYPE="DOCTOR"/>'), ["a.xml:5: a tag needs start and end"]),
        (xml(SECRET, '<NAME start="0" end="9"/>'), ["a.xml:5: a tag needs", "TYPE"]),
        (xml(SECRET, f"<NAME {SECRET}>"), ["a.xml:5: malformed XML", "correct the file"]),
        (xml(SECRET).replace("</deId>", ""), ["a.xml:7: malformed XML (no element found)"]),
        (f"<deId>\n<TEXT>{SECRET} <b>x</b></TEXT></deId>", ["a.xml:2: markup inside TEXT"]),
        (f'<!DOCTYPE d [<!ENTITY e "{SECRET}">]>\n<d><TEXT>&e;</TEXT></d>', ["a.xml:1: DOCTYPE"]),
        (f"<deId><NOTE>{SECRET}</NOTE></deId>", ["a.xml: 0 TEXT elements"]),
        (f"<deId><TEXT>{SECRET}</TEXT></deId>", ["a.xml: 0 TAGS elements", "maybe an empty one"]),
        (xml(SECRET, name(0, 9, SECRET)).replace("TAGS>", "Tags>"), ["a.xml: 0 TAGS elements"]),
        (xml(SECRET).replace("<TAGS>", "<TAGS></TAGS><TAGS>"), ["a.xml: 2 TAGS elements"]),
        (xml(f"{SECRET}\n").encode().replace(b"Zarza", b"Zar\xf1a"), ["a.xml:3: not UTF-8 at byte 65"]),
    ],
)
def test_a_bad_file_is_one_message_with_file_line_and_remedy(
    tmp_path: Path, content: str | bytes, expected: list[str]
) -> None:
    fails(tmp_path, {"a.xml": content}, *expected, **I2B2)


def test_meddocan_xml_and_brat_give_the_same_notes(tmp_path: Path) -> None:
    labels = list(catalog("meddocan", "profiles/shared/meddocan.yaml")["labels"])
    tables: dict[str, dict[str, tuple[str, tuple[Span, ...]]]] = {}
    for format, place in (("i2b2", "train/xml"), ("brat", "train/brat")):
        found = raw_notes(real("meddocan"), labels, format=format, path=place)
        tables[format] = {n.note_id: (n.text, n.spans) for n in found}
    assert len(tables["i2b2"]) == 20
    assert {key: tables["brat"][key] for key in tables["i2b2"]} == tables["i2b2"]
