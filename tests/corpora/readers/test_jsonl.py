"""JSONL with spans: code points, named keys, gzip, and lines that are not what they should be."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from stages.runtime.errors import UserError
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


@pytest.mark.parametrize(
    ("encoding", "size", "unit"), [("utf-16-le", 2, "UTF-16 units"), ("utf-8", 1, "bytes of UTF-8")]
)
@pytest.mark.parametrize("text", ["👩🏽 Zoë vive con Ana Ruiz desde ayer", "👩🏽👩🏽👩🏽👩🏽👩🏽 Ana Ruiz"])
def test_offsets_in_another_unit_are_found_out_by_the_text_beside_them(
    tmp_path: Path, text, encoding, size, unit
) -> None:
    """In the second note they are outside the text, counted in code points."""
    start = len(text[: text.index("Ana")].encode(encoding)) // size
    tag = {"start": start, "end": start + len("Ana Ruiz"), "label": "per", "text": "Ana Ruiz"}
    with pytest.raises(UserError) as caught:
        read(tmp_path, {"a.jsonl": row(text, spans=[tag])}, **JSONL)
    assert f"(they fit if they count {unit}; this project counts code points, as Python does)" in str(caught.value)
    assert "Ana" not in str(caught.value)


def test_a_text_beside_offsets_that_is_right_is_read(tmp_path: Path) -> None:
    tags = [{"start": 2, "end": 5, "label": "per", "text": "Ana"}]
    [note], _ = read(tmp_path, {"a.jsonl": row("👩🏽Ana", spans=tags)}, **JSONL)
    assert spans(note) == [(2, 5, "NAME", "Ana")]


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
        (f'{{"note_id": "{SECRET}\\uD83D", "text": "x", "spans": []}}\n', ["surrogate"]),
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
        (
            row(spans=[{"start": 0, "end": 3, "label": "per", "text": 7}]),
            ["a span in spans lacks", "a text that is none"],
        ),
        (row(spans=[[3, 5, "per"], [0, 3, SECRET]]), ["span 2: the label of this tag is unknown"]),
        (row(spans=[{"start": 0, "end": 3, "label": "per", "text": SECRET}]), ["span 1: the text at offsets 0-3"]),
        (f'{{"note_id": "b", "text": "x", "text": "{SECRET}", "spans": []}}\n', ["a key twice"]),
        (row(spans=[{"a": 1}]).replace('"a": 1', f'"{SECRET}": 1, "{SECRET}": 2'), ["a key twice"]),
        (row(note_id=SECRET) + row(note_id=SECRET), ["t.jsonl:3: an earlier note has the same id"]),
        ("[" * 100_000 + "\n", ["too large to read"]),
        (f'{{"note_id": {"7" * 5000}, "text": "{SECRET}", "spans": []}}\n', ["too large to read"]),
        (row(spans=[[0, 3, "org"]]), ["the label of this tag is unknown"]),
        (row(" \n"), ["an empty note"]),
        (row(), ["an earlier note has the same id"]),
        (row(note_id="b").encode().replace(b"Zarza", b"Zar\xffa"), ["not UTF-8 at byte 80"]),
    ],
)
def test_a_bad_line_is_one_message_with_file_line_and_remedy(
    tmp_path: Path, line: str | bytes, expected: list[str]
) -> None:
    first = row().encode()
    second = line.encode() if isinstance(line, str) else line
    place = expected[0] if expected[0].startswith("t.jsonl") else "t.jsonl:2: "
    fails(tmp_path, {"t.jsonl": first + second}, place, *expected, **JSONL)


@pytest.mark.parametrize("content", [b"plain", gzip.compress(row().encode())[:-4]], ids=["plain", "cut"])
def test_a_broken_gzip_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    fails(tmp_path, {"t.jsonl.gz": content}, "t.jsonl.gz: not a complete gzip file", **JSONL)


def test_e3c_is_read_whole(tmp_path: Path) -> None:
    raw = {"format": "jsonl", "path": "es-nubes.jsonl", "fields": {"id": "note_id", "text": "text"}}
    _, report = prepared(tmp_path, real("e3c"), {}, raw)
    assert (report["notes"], report["words"] // 1000) == (615, 556)
