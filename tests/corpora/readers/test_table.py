"""CSV and Parquet tables: named columns, quoted line breaks, gzip, whole-number ids."""

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpora.raw import SECRET, fails, lay_out, read

TABLE: dict[str, Any] = {"format": "table", "columns": {"id": "ROW_ID", "text": "TEXT", "group": "SUBJECT_ID"}}
CSV = (
    '"ROW_ID","SUBJECT_ID","CATEGORY","TEXT"\r\n'
    '1,22,"Nursing","Pt ""ok"", seen.\r\n\r\n\tBP 120/80\n 👩🏽 Jose\u0301"\r\n'
    "2,22,Nursing,plain\r\n"
)
TEXTS = ['Pt "ok", seen.\r\n\r\n\tBP 120/80\n 👩🏽 Jose\u0301', "plain"]


def parquet(path: Path, **columns: Any) -> None:
    """Write one Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("NOTEEVENTS.csv", CSV.encode()),
        ("NOTEEVENTS.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("NOTEEVENTS.csv.gz", gzip.compress(CSV.encode())),
    ],
    ids=["csv", "byte-order mark", "gzip"],
)
def test_csv_text_is_as_quoted(tmp_path: Path, name: str, content: bytes) -> None:
    table, report = read(tmp_path, {name: content}, **TABLE)
    assert [n.text for n in table] == TEXTS
    assert [(n.note_id, n.group_id, n.spans) for n in table] == [("1", "22", ()), ("2", "22", ())]
    assert (report["notes"], report["groups"], report["met"]["notes_with_crlf"]) == (2, 1, 1)


def test_parquet_with_whole_number_ids(tmp_path: Path) -> None:
    parquet(tmp_path / "raw/note.parquet", note_id=[5, 6], person_id=[1, 2], note_text=TEXTS, extra=[None, 1.5])
    columns = {"id": "note_id", "text": "note_text", "group": "person_id"}
    table, _ = read(tmp_path, {}, format="table", columns=columns)
    assert [(n.note_id, n.group_id, n.text) for n in table] == [("5", "1", TEXTS[0]), ("6", "2", TEXTS[1])]


def test_another_separator_and_the_id_as_group(tmp_path: Path) -> None:
    files = {"a.csv": "ROW_ID|TEXT\n7|x, y\n\n"}
    [note], _ = read(tmp_path, files, format="table", columns={"id": "ROW_ID", "text": "TEXT"}, separator="|")
    assert (note.note_id, note.group_id, note.text) == ("7", "7", "x, y")


def test_a_note_longer_than_the_csv_modules_limit_is_read(tmp_path: Path) -> None:
    long = "word " * 40_000
    [note], _ = read(tmp_path, {"a.csv": f'ROW_ID,SUBJECT_ID,TEXT\n1,2,"{long}"\n'}, **TABLE)
    assert note.text == long


HEAD = "ROW_ID,SUBJECT_ID,TEXT\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("ROW_ID,PATIENT,TEXT\n" + f"1,2,{SECRET}\n", ["t.csv:1: no column SUBJECT_ID", "`columns`"]),
        ("", ["t.csv:1: no column ROW_ID, TEXT, SUBJECT_ID"]),
        ("ROW_ID,TEXT,SUBJECT_ID,TEXT\n" + f"1,x,2,{SECRET}\n", ["t.csv:1: two columns TEXT; rename one"]),
        (HEAD, ["no notes in it"]),
        (HEAD + f'1,2,"a\nb"\n2,2,{SECRET},x\n', ["t.csv:4: 4 columns, the header has 3", "quote"]),
        (HEAD + f'1,2,x\n2,2,"{SECRET}\n', ["t.csv:3: not a valid CSV row"]),
        (HEAD + f'1,2,"{SECRET}" x\n', ["t.csv:2: not a valid CSV row"]),
        (HEAD + f"1,2,x\n,2,{SECRET}\n", ["t.csv:3: column ROW_ID is empty"]),
        (HEAD + f"1,,{SECRET}\n", ["t.csv:2: column SUBJECT_ID is empty"]),
        (HEAD + f"1,2,{SECRET}\n1,2,{SECRET}\n", ["t.csv:3: an earlier note has the same id"]),
        (HEAD + "1,2,x\n2,2,\n", ["t.csv:3: an empty note", "empty_notes: skip"]),
        ((HEAD + '1,2,"x\n').encode() + b'Mu\xf1oz"\n', ["t.csv:3: not UTF-8 at byte 32"]),
    ],
)
def test_a_bad_csv_is_one_message_with_file_line_and_remedy(
    tmp_path: Path, content: str | bytes, expected: list[str]
) -> None:
    fails(tmp_path, {"t.csv": content}, *expected, **TABLE)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"ROW_ID": [1], "TEXT": [SECRET]}, "no column SUBJECT_ID"),
        ({"ROW_ID": [1.0], "SUBJECT_ID": [2], "TEXT": [SECRET]}, "column ROW_ID is double, expected text or whole"),
        ({"ROW_ID": [1], "SUBJECT_ID": [2], "TEXT": [b"x"]}, "column TEXT is binary, expected text"),
        ({"ROW_ID": [1, 2], "SUBJECT_ID": [2, None], "TEXT": [SECRET] * 2}, "row 2: column SUBJECT_ID is empty"),
        ({"ROW_ID": [1], "SUBJECT_ID": [2], "TEXT": pa.array([None], pa.string())}, "an empty note"),
    ],
)
def test_a_bad_parquet_table_is_one_message(tmp_path: Path, columns: dict[str, Any], expected: str) -> None:
    parquet(tmp_path / "raw/t.parquet", **columns)
    fails(tmp_path, {}, "t.parquet", expected, **TABLE)


def test_a_parquet_file_cut_short_or_with_other_bytes_is_one_message(tmp_path: Path) -> None:
    latin = pa.array([b"Mu\xf1oz"], pa.binary()).view(pa.string())
    parquet(tmp_path / "raw/t.parquet", ROW_ID=[1], SUBJECT_ID=[2], TEXT=latin)
    fails(tmp_path, {}, "t.parquet, after row 0: not UTF-8", **TABLE)
    whole = (tmp_path / "raw/t.parquet").read_bytes()
    lay_out(tmp_path, {"t.parquet": whole[:-8]})
    fails(tmp_path, {}, "t.parquet, after row 0: not a complete Parquet file", **TABLE)
