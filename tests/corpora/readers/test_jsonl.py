"""JSONL with spans: code points, named keys, gzip, and lines that are not what they should be."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.corpora.raw import SECRET, fails, prepared, read, real, spans

FIELDS = {"id": "note_id", "text": "text", "spans": "spans"}
JSONL: dict[str, Any] = {
    "format": "jsonl",
    "labels": ["NAME"],
    "rename": {"per": "NAME", "misc": None},
    "fields": FIELDS,
}


def row(text: Any = SECRET, note_id: Any = "a", **more: Any) -> str:
    """One line."""
    return json.dumps({"note_id": note_id, "text": text, "spans": [], **more}) + "\n"


def test_text_and_spans_are_as_written(tmp_path: Path) -> None:
    text = "\ufeff👩🏽 Jose\u0301\r\n\tAna\u2028x"
    listed = row(text, 7, patient="p1", spans=[[4, 9, "per"], [12, 15, "misc"]])
    named = row("Ana", "b", patient=2, spans=[{"start": 0, "end": 3, "label": "per", "score": 0.5}])
    content = "\ufeff" + listed + "\n" + named
    files = {"x/a.jsonl": content, "x/b.jsonl.gz": gzip.compress(row("z", "c", patient="p1").encode())}
    table, report = read(tmp_path, files, **{**JSONL, "fields": {**FIELDS, "group": "patient"}})
    assert [(n.note_id, n.group_id) for n in table] == [("7", "p1"), ("b", "2"), ("c", "p1")]
    assert table[0].text == text
    assert spans(table[0]) == [(4, 9, "NAME", "Jose\u0301")]
    assert spans(table[1]) == [(0, 3, "NAME", "Ana")]
    assert table[1].spans[0].score is None
    assert (report["groups"], report["dropped_labels"], report["labels"]) == (2, {"misc": 1}, {"NAME": 2})


def test_raw_corpora_need_no_spans(tmp_path: Path) -> None:
    files = {"a.jsonl": '{"note_id": "a", "text": "x"}\n'}
    table, _ = read(tmp_path, files, format="jsonl", labels=[], fields={"id": "note_id", "text": "text"})
    assert [(n.note_id, n.spans) for n in table] == [("a", ())]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f'{{"note_id": "{SECRET}", \n', ["not valid JSON at column"]),
        (f'["{SECRET}"]\n', ["not a JSON object"]),
        (row(7), ["text is not text"]),
        (row(None), ["text is not text"]),
        (f'{{"note_id": "b", "text": "{SECRET}\\ud83d", "spans": []}}\n', ["surrogate"]),
        (f'{{"note_id": "b", "body": "{SECRET}", "spans": []}}\n', ["no key text", "fields"]),
        (f'{{"note_id": "b", "text": "{SECRET}"}}\n', ["no key spans"]),
        (row(note_id=1.5), ["note_id is neither text nor a whole number"]),
        (row(note_id=""), ["note_id is neither text nor a whole number"]),
        (row(note_id=True), ["note_id is neither text nor a whole number"]),
        (row(spans={}), ["spans is not a list"]),
        (row(spans=[[0, 1]]), ["a span in spans lacks"]),
        (row(spans=[{"start": 0, "end": 1}]), ["a span in spans lacks"]),
        (row(spans=[["0", 1, "per"]]), ["a span in spans lacks"]),
        (row(spans=[[False, 1, "per"]]), ["a span in spans lacks"]),
        (row(spans=[[0, 10, "per"]]), ["0-10", "outside the text (0-9)", "invalid_offsets"]),
        (row(spans=[[-2, 3, "per"]]), ["outside the text"]),
        (row(spans=[[0, 3, "org"]]), ["label org is unknown"]),
        (row(" \n"), ["an empty note"]),
        (row(), ["note id a occurs twice"]),
        (row(note_id="b").encode().replace(b"Zarza", b"Zar\xffa"), ["not UTF-8 at byte 80"]),
    ],
)
def test_a_bad_line_is_one_message_with_file_line_and_remedy(
    tmp_path: Path, line: str | bytes, expected: list[str]
) -> None:
    first = row().encode()
    second = line.encode() if isinstance(line, str) else line
    fails(tmp_path, {"t.jsonl": first + second}, "t.jsonl:2: ", *expected, **JSONL)


@pytest.mark.parametrize("content", [b"plain", gzip.compress(row().encode())[:-4]], ids=["plain", "cut"])
def test_a_broken_gzip_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    fails(tmp_path, {"t.jsonl.gz": content}, "t.jsonl.gz: not a complete gzip file", **JSONL)


def test_e3c_is_read_whole(tmp_path: Path) -> None:
    raw = {"format": "jsonl", "path": "es-nubes.jsonl", "fields": {"id": "note_id", "text": "text"}}
    _, report = prepared(tmp_path, real("e3c"), {}, raw)
    assert (report["notes"], report["words"] // 1000) == (615, 556)
