"""CoNLL/IOB: columns, documents, made-up white space, and tags that begin in the middle."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from tests.corpora.raw import SECRET, fails, prepared, read, real, spans

CONLL: dict[str, Any] = {
    "format": "conll",
    "separator": "tab",
    "columns": 2,
    "documents": "docstart",
    "labels": ["PER", "LOC"],
}
TWO = "-DOCSTART-\tO\n\nSra.\tO\nAna\tB-PER\nRuiz\tI-PER\n\nVive\tO\nVigo\tB-LOC\n\n-DOCSTART-\tO\n\nNada\tO\n"


def test_documents_sentences_and_spans(tmp_path: Path) -> None:
    first, second = read(tmp_path, {"train.conll": TWO}, **CONLL)[0]
    assert (first.note_id, second.note_id) == ("train-1", "train-2")
    assert (first.text, second.text) == ("Sra. Ana Ruiz\nVive Vigo", "Nada")
    assert spans(first) == [(5, 13, "PER", "Ana Ruiz"), (19, 23, "LOC", "Vigo")]
    assert spans(second) == []


@pytest.mark.parametrize(
    ("documents", "expected"),
    [("blank_line", {"t-1": "Sra. Ana Ruiz", "t-2": "Vive Vigo"}), ("file", {"t": "Sra. Ana Ruiz\nVive Vigo"})],
)
def test_blank_lines_or_files_can_be_documents(tmp_path: Path, documents: str, expected: dict[str, str]) -> None:
    content = "\nSra.\tO\nAna\tB-PER\nRuiz\tI-PER\n\n\nVive\tO\nVigo\tB-LOC\n"
    table, _ = read(tmp_path, {"t.tsv": content}, **{**CONLL, "documents": documents})
    assert {note.note_id: note.text for note in table} == expected


def test_space_separated_columns_crlf_byte_order_mark_and_gzip(tmp_path: Path) -> None:
    content = "\ufeff-DOCSTART- -X- -X- O\r\n\r\nAna NN  B-NP B-PER\r\nvió VB B-VP O\r\n"
    files = {"t.conll.gz": gzip.compress(content.encode())}
    [note], _ = read(tmp_path, files, **{**CONLL, "separator": "space", "columns": 4})
    assert note.text == "Ana vió"
    assert spans(note) == [(0, 3, "PER", "Ana")]


def test_a_docstart_line_may_be_separated_otherwise(tmp_path: Path) -> None:
    content = "-DOCSTART- -X- O\n\nAna\tB-PER\n\n-DOCSTART- -X- O\nvió\tO\n"
    table, _ = read(tmp_path, {"t.conll": content}, **CONLL)
    assert [note.text for note in table] == ["Ana", "vió"]


def test_b_parts_spans_and_tokens_keep_their_code_points(tmp_path: Path) -> None:
    content = "-DOCSTART-\tO\n👩🏽\tO\nJose\u0301\tB-PER\nAna\tB-PER\nx\u2028y\tI-PER\n"
    [note], _ = read(tmp_path, {"t.conll": content}, **CONLL)
    assert [span[3] for span in spans(note)] == ["Jose\u0301", "Ana x\u2028y"]


def test_inside_without_begin_is_an_error_or_begins_a_span(tmp_path: Path) -> None:
    files = {"t.conll": "-DOCSTART-\tO\nAna\tI-PER\nRuiz\tI-PER\nVigo\tI-LOC\n\nLugo\tI-LOC\n"}
    fails(tmp_path, files, "t.conll:2: I- with no B-", "orphan_inside: begin", **CONLL)
    [note], report = read(tmp_path, {}, orphan_inside="begin", **CONLL)
    assert [span[2:] for span in spans(note)] == [("PER", "Ana Ruiz"), ("LOC", "Vigo"), ("LOC", "Lugo")]
    assert report["resolved"]["orphan_inside_begun"] == 3


@pytest.mark.parametrize(
    ("content", "params", "expected"),
    [
        (f"-DOCSTART-\tO\n{SECRET}\tNN\tO\n", {}, ["t.conll:2: 3 columns instead of 2", "separator"]),
        (f"-DOCSTART-\tO\nx\tO\n{SECRET} O\n", {}, ["t.conll:3: 1 columns instead of 2"]),
        (f"-DOCSTART-\tO\n\t{SECRET}\n", {}, ["t.conll:2: no token"]),
        (f"-DOCSTART-\tO\nx\t{SECRET}\n", {}, ["t.conll:2: the last column is not O, B-LABEL or I-LABEL"]),
        (f"-DOCSTART-\tO\n{SECRET}\tB-ORG\n", {}, ["t.conll:2: the label of this tag is unknown"]),
        (f"{SECRET}\tO\n", {}, ["t.conll:1: a token before the first -DOCSTART-", "documents"]),
        (f"-DOCSTART-\tO\n{SECRET}\tO\n", {"documents": "file"}, ["t.conll:1: ", "documents: docstart"]),
        (f"-DOCSTART-\tO\n-DOCSTART-\tO\n{SECRET}\tO\n", {}, ["t.conll:1: an empty note"]),
        (f"-DOCSTART-\tO\n{SECRET}\tO\n".encode() + b"Mu\xf1oz\tO\n", {}, ["t.conll:3: not UTF-8 at byte 27"]),
        ("\n", {}, ["no notes in it"]),
    ],
)
def test_a_bad_line_is_one_message_with_file_line_and_remedy(
    tmp_path: Path, content: str | bytes, params: dict[str, str], expected: list[str]
) -> None:
    fails(tmp_path, {"t.conll": content}, *expected, **{**CONLL, **params})


def test_ncbi_disease_is_read_whole(tmp_path: Path) -> None:
    folder = real("ncbi-disease")
    raw = {"format": "conll", "separator": "tab", "columns": 2, "documents": "blank_line", "path": "train.tsv"}
    table, report = prepared(tmp_path, folder, {"Disease": "other"}, raw)
    tokens = [line for line in (folder / "train.tsv").read_text().split("\n") if line]
    assert report["labels"] == {"Disease": sum(line.endswith("\tB-Disease") for line in tokens)}
    assert report["words"] == len(tokens)
    assert sum(len(note.text.split(" ")) for note in table) == len(tokens)
