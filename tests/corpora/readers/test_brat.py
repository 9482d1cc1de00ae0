"""brat stand-off: exact offsets in any text, and one clear message for each thing that can be wrong."""

from pathlib import Path
from typing import Any

import pytest

from tests.corpora.raw import SECRET, catalog, fails, prepared, read, real, spans

BRAT: dict[str, Any] = {"format": "brat", "labels": ["NAME", "DATE"]}


def note(text: str, *annotations: str) -> dict[str, str | bytes]:
    """One note `a` with its annotation lines."""
    return {"a.txt": text, "a.ann": "".join(line + "\n" for line in annotations)}


@pytest.mark.parametrize(
    ("before", "surface"),
    [
        ("", "Ana Ruiz"),
        ("\ufeff", "Ana Ruiz"),
        ("Sra.\r\n\r\nDoña\t", "Ana Ruiz"),
        ("Jose\u0301   👩🏽‍⚕️ \U0001f600 ", "Ine\u0301s"),
        ("línea\u2028separada\x85 \x0b", "Ana"),
    ],
    ids=["plain", "byte-order mark", "CRLF and tab", "combining marks and emoji", "other line separators"],
)
def test_offsets_count_code_points_of_the_unchanged_text(tmp_path: Path, before: str, surface: str) -> None:
    text = f"{before}{surface}, ingresa.\r\n"
    start, end = len(before), len(before) + len(surface)
    [read_note], _ = read(tmp_path, note(text, f"T1\tNAME {start} {end}\t{surface}"), **BRAT)
    assert read_note.text == text
    assert spans(read_note) == [(start, end, "NAME", surface)]


def test_byte_order_marks_and_crlf_are_counted_by_note(tmp_path: Path) -> None:
    files = {"a.txt": "\ufeffa\r\nb\r\n", "a.ann": "", "b.txt": "x\r\n", "b.ann": "", "c.txt": "y\n", "c.ann": ""}
    _, report = read(tmp_path, files, **BRAT)
    assert report["met"]["notes_with_byte_order_mark"] == 1
    assert report["met"]["notes_with_crlf"] == 2
    assert report["met"]["notes_without_spans"] == 3


@pytest.mark.parametrize(("line_break", "surface"), [("\n", "Ana Ruiz"), ("\r\n", "Ana  Ruiz"), ("\r\n", "Ana Ruiz")])
def test_a_line_break_inside_a_span_is_a_space_in_the_ann(tmp_path: Path, line_break: str, surface: str) -> None:
    text = f"de Ana{line_break}Ruiz"
    [read_note], _ = read(tmp_path, note(text, f"T1\tNAME 3 {len(text)}\t{surface}"), **BRAT)
    assert spans(read_note) == [(3, len(text), "NAME", f"Ana{line_break}Ruiz")]


def test_pieces_with_only_white_space_between_are_one_line_broken_span(tmp_path: Path) -> None:
    [read_note], report = read(tmp_path, note("de Ana\n  Ruiz", "T1\tNAME 3 6;9 13\tAna Ruiz"), **BRAT)
    assert spans(read_note) == [(3, 13, "NAME", "Ana\n  Ruiz")]
    assert report["resolved"]["line_breaks_joined"] == 1
    assert report["resolved"]["discontinuous"] == 0


def test_an_ann_file_with_crlf_and_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    files = {"a.txt": "Ana, 3/4", "a.ann": "\ufeffT1\tNAME 0 3\tAna\r\nT2\tDATE 5 8\t3/4\r\n"}
    [read_note], _ = read(tmp_path, files, **BRAT)
    assert [span.label for span in read_note.spans] == ["NAME", "DATE"]


def test_other_annotations_are_counted_and_left_out(tmp_path: Path) -> None:
    annotations = ["T1\tNAME 0 3\tAna", "#1\tAnnotatorNotes T1\tsure", "A1\tNegated T1", "*\tEquiv T1 T1", ""]
    [read_note], report = read(tmp_path, note("Ana", *annotations), **BRAT)
    assert spans(read_note) == [(0, 3, "NAME", "Ana")]
    assert report["met"]["other_annotations"] == 3


def test_ids_are_names_with_their_folders_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    files = {"ward/b.1.txt": "x", "ward/b.1.ann": "", "a.txt": "y", "a.ann": "", ".git/c.txt": "z", "notes.md": "m"}
    table, _ = read(tmp_path, files, **BRAT)
    assert [n.note_id for n in table] == ["a", "ward/b.1"]


@pytest.mark.parametrize(
    ("text", "annotation", "expected"),
    [
        (f"{SECRET} x", f"T1\tNAME 1 10\t{SECRET}", ["a.ann:1: ", "text at offsets 1-10", "invalid_offsets: drop"]),
        (f"{SECRET} x", f"T1\tNAME 0 99\t{SECRET}", ["a.ann:1: ", "0-99", "(0-11)"]),
        (f"{SECRET} x", "T1\tNAME 3 3\t", ["a.ann:1: ", "3-3 are empty"]),
        (f"{SECRET} x", "T1\tNAME 9 10\t ", ["a.ann:1: ", "only white space"]),
        (f"{SECRET} x", f"T1\tPLACE 0 9\t{SECRET}", ["a.ann:1: ", "the label of this tag is unknown", "`labels`"]),
        (f"{SECRET} x", f"T1\tNAME 0 3;5 9\t{SECRET[:3]} {SECRET[5:]}", ["a.ann:1: a discontinuous", "hull"]),
        (f"{SECRET} x", f"T1\tNAME 0 10\t{SECRET} ", ["a.ann:1: ", "white space", "spaced_edges: trim"]),
        (f"{SECRET} x", f"T1 NAME 0 9 {SECRET}", ["a.ann:1: not a brat line"]),
        (f"{SECRET} x", f"T1\tNAME -1 9\t{SECRET}", ["a.ann:1: not a brat line"]),
        (f"{SECRET} x", f"Resultado: {SECRET}", ["a.ann:1: not a brat line"]),
        (f"{SECRET} x", f"E1: {SECRET}", ["a.ann:1: not a brat line"]),
        (f"{SECRET} x", f"# {SECRET}", ["a.ann:1: not a brat line"]),
        (f"{SECRET} x", f"R1 {SECRET}\tArg1:T1", ["a.ann:1: not a brat line"]),
        (f"{SECRET} x", f"T1\t{SECRET} 0 9\t{SECRET}", ["a.ann:1: the label of this tag is unknown"]),
    ],
)
def test_a_bad_tag_is_one_message_with_file_line_and_remedy(
    tmp_path: Path, text: str, annotation: str, expected: list[str]
) -> None:
    fails(tmp_path, note(text, annotation), *expected, **BRAT)


def test_overlapping_spans_are_an_error_by_default(tmp_path: Path) -> None:
    files = note(f"{SECRET} x", f"T1\tNAME 0 11\t{SECRET} x", f"T2\tDATE 0 9\t{SECRET}")
    fails(tmp_path, files, "a.ann:2: overlapping", "keep_longest", **BRAT)


def test_suffixes_may_be_upper_case(tmp_path: Path) -> None:
    table, _ = read(tmp_path, {"a.TXT": "Ana", "a.ANN": "T1\tNAME 0 3\tAna\n", "b.TXT": "x", "b.ann": ""}, **BRAT)
    assert [(n.note_id, len(n.spans)) for n in table] == [("a", 1), ("b", 0)]
    fails(tmp_path / "twice", {"a.txt": SECRET, "a.TXT": SECRET, "a.ann": ""}, "a.txt: an earlier note", **BRAT)


@pytest.mark.parametrize(("present", "missing"), [("a.txt", "a.ann"), ("a.ann", "a.txt")])
def test_a_file_without_its_partner_is_an_error(tmp_path: Path, present: str, missing: str) -> None:
    files = {"b.txt": SECRET, "b.ann": "", present: ""}
    fails(tmp_path, files, present, f"has no {missing} beside it", **BRAT)


@pytest.mark.parametrize("name", ["a.txt", "a.ann"])
def test_bytes_that_are_not_utf_8_are_named_by_line_and_offset(tmp_path: Path, name: str) -> None:
    files = {**note(SECRET), name: f"#\n{SECRET} Mu".encode() + "ñoz".encode("latin-1")}
    fails(tmp_path, files, f"{name}:2: not UTF-8 at byte 14", "iconv", **BRAT)


def test_an_empty_note_is_an_error_or_skipped_and_counted(tmp_path: Path) -> None:
    files = {"a.txt": "\ufeff \r\n", "a.ann": "", "b.txt": "x", "b.ann": ""}
    fails(tmp_path, files, "a.txt: an empty note", "empty_notes: skip", **BRAT)
    table, report = read(tmp_path, {}, empty_notes="skip", **BRAT)
    assert [n.note_id for n in table] == ["b"]
    assert (report["notes"], report["resolved"]["empty_notes"]) == (1, 1)


def test_one_id_in_two_parts_is_an_error(tmp_path: Path) -> None:
    files = {"x/a.txt": SECRET, "x/a.ann": "", "y/a.txt": SECRET, "y/a.ann": ""}
    fails(tmp_path, files, "y/a.txt: an earlier note has the same id", parts={"train": "x", "test": "y"}, **BRAT)


def test_meddocan_is_read_whole(tmp_path: Path) -> None:
    entry = catalog("meddocan", "profiles/shared/meddocan.yaml")
    parts = catalog("meddocan", "profiles/shared/meddocan-dev.yaml")["raw"]
    table, report = prepared(tmp_path, real("meddocan"), entry["labels"], entry["raw"] | parts)
    assert {part: (c["notes"], c["spans"]) for part, c in report["parts"].items()} == {
        "train": (500, 11333),
        "test": (250, 5801),
    }
    assert report["met"]["notes_with_byte_order_mark"] == 22
    assert not any(report["resolved"].values())
    labels: dict[str, set[str]] = {"train": set(), "test": set()}
    groups: dict[str, set[str]] = {"train": set(), "test": set()}
    shared = []
    for read_note in table:
        labels[read_note.split] |= {span.label for span in read_note.spans}
        groups[read_note.split].add(read_note.group_id)
        shared += [read_note.group_id] if read_note.split == "test" else []
    assert (len(labels["train"]), len(labels["test"])) == (21, 22)
    assert labels["train"] | labels["test"] == set(entry["labels"])
    assert sum(group in groups["train"] for group in shared) == 17
