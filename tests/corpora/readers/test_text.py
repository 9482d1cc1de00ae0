"""Plain text folders: a note per file, byte for byte."""

from pathlib import Path

from tests.corpora.raw import SECRET, fails, read


def test_notes_are_files_byte_for_byte(tmp_path: Path) -> None:
    files = {"p1/2.txt": "\ufeffa\r\nb\t\u0301\n", "p1/1.txt": " x ", "p2/1.txt": "y", "p2/scan.pdf": b"\xff"}
    table, report = read(tmp_path, files, format="text", group_pattern="^([^/]+)/")
    assert [(n.note_id, n.group_id, n.text) for n in table] == [
        ("p1/1", "p1", " x "),
        ("p1/2", "p1", "\ufeffa\r\nb\t\u0301\n"),
        ("p2/1", "p2", "y"),
    ]
    assert (report["notes"], report["groups"], report["met"]["notes_with_byte_order_mark"]) == (3, 2, 1)


def test_bytes_that_are_not_utf_8_are_an_error(tmp_path: Path) -> None:
    content = f"{SECRET}\n".encode() + b"\xe9"
    fails(tmp_path, {"a.txt": content}, "a.txt:2: not UTF-8 at byte 10", format="text")


def test_an_empty_file_is_an_error_or_skipped(tmp_path: Path) -> None:
    files = {"a.txt": "", "b.txt": SECRET}
    fails(tmp_path, files, "a.txt: an empty note", format="text")
    assert len(read(tmp_path, {}, format="text", empty_notes="skip")[0]) == 1
