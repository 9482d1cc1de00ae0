"""Formats out: writing and reading back gives the same spans."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.corpora import export
from stages.notes import brat, note_table
from stages.notes.note_table import Note, Span
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from tests.corpora.raw import raw_notes
from tests.runs import run, write_params

LABELS = ["DATE", "NAME"]
FIELDS = {"id": "note_id", "text": "text", "group": "group_id", "spans": "spans"}
CONLL = {"separator": "tab", "columns": 2, "documents": "docstart"}
# What has broken offsets before: marks, line ends, tabs, Unicode line separators, characters outside the BMP.
VISIBLE = ["Ana", "José", "Jose\u0301", "3/4", "a@b.es", "\U0001f469\U0001f3fd\u200d\u2695", "\u0301", "\ufeff"]
MARKS = ["\u200b", "_", "-", ";", "#", '"', "\\"]
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\r", "\u2028", "\x85", "\x0b", "\u00a0"]
PIECES = st.sampled_from([*VISIBLE, *MARKS, *SPACES])


@st.composite
def tables(draw: st.DrawFn) -> list[Note]:
    """Up to three notes with disjoint spans whose edges are not on white space."""
    table = []
    for number in range(draw(st.integers(1, 3))):
        text = "x" + "".join(draw(st.lists(PIECES, max_size=25)))
        cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
        spans = []
        for start, end in zip(cuts[::2], cuts[1::2], strict=False):
            surface = text[start:end]
            start += len(surface) - len(surface.lstrip())
            end -= len(surface) - len(surface.rstrip())
            if start < end:
                spans.append(Span(start, end, draw(st.sampled_from(LABELS))))
        table.append(Note(f"n{number}", f"g{number % 2}", text, tuple(spans)))
    return table


def written_and_read(folder: Path, table: list[Note], name: str, **params: Any) -> list[Note]:
    """The table after its way through a format and the reader of it."""
    out = folder / name
    out.mkdir()
    export.FORMATS[name](out, table)
    return list(raw_notes(out, LABELS, format=name, **params))


@pytest.mark.parametrize("name", ["brat", "jsonl"])
@settings(max_examples=150, deadline=None)
@given(table=tables())
def test_brat_and_jsonl_read_back_as_the_same_notes(
    tmp_path_factory: pytest.TempPathFactory, name: str, table: list[Note]
) -> None:
    params = {"fields": FIELDS} if name == "jsonl" else {}
    back = written_and_read(tmp_path_factory.mktemp("export"), table, name, **params)
    assert [(n.note_id, n.text, n.spans) for n in back] == [(n.note_id, n.text, n.spans) for n in table]
    if name == "jsonl":
        assert [n.group_id for n in back] == [n.group_id for n in table]


def without_space(text: str) -> str:
    """Only the visible characters."""
    return "".join(text.split())


@settings(max_examples=150, deadline=None)
@given(table=tables())
def test_conll_reads_back_as_the_same_words_and_spans(
    tmp_path_factory: pytest.TempPathFactory, table: list[Note]
) -> None:
    back = written_and_read(tmp_path_factory.mktemp("export"), table, "conll", **CONLL)
    assert [without_space(n.text) for n in back] == [without_space(n.text) for n in table]
    for before, after in zip(table, back, strict=True):
        expected = [(s.label, without_space(before.surface(s))) for s in before.spans]
        assert [(s.label, without_space(after.surface(s))) for s in after.spans] == expected


def test_conll_cuts_words_at_spans_and_sentences_at_line_breaks(tmp_path: Path) -> None:
    note = Note("a", "a", "Dra.Ana\nRuiz, 3\nfin", (Span(4, 12, "NAME"), Span(14, 15, "DATE")))
    export.write_conll(tmp_path, [note])
    assert (tmp_path / "notes.conll").read_text() == (
        "-DOCSTART-\tO\n\nDra\tO\n.\tO\nAna\tB-NAME\nRuiz\tI-NAME\n,\tO\n3\tB-DATE\n\nfin\tO\n\n"
    )


def test_a_data_set_loads_with_its_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    table = [
        Note("a", "g", "\ufeffAna\r\n👩🏽 Ruiz", (Span(1, 4, "NAME"), Span(9, 13, "NAME", 0.5)), split="train"),
        Note("b", "g", "3/4", (Span(0, 3, "DATE"),), split="test"),
        Note("c", "h", "nada", split="train"),
    ]
    out = tmp_path / "set"
    out.mkdir()
    export.write_dataset(out, table)
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {split: rows["note_id"][:] for split, rows in loaded.items()} == {"train": ["a", "c"], "test": ["b"]}
    for split, rows in loaded.items():
        for row, note in zip(rows, [n for n in table if n.split == split], strict=True):
            assert (row["text"], row["group_id"]) == (note.text, note.group_id)
            assert tuple(Span(s["start"], s["end"], s["label"], s["score"]) for s in row["spans"]) == note.spans


@pytest.mark.parametrize("note_id", ["../a", "/a", "x/../a", ".a", "", ".", "x/.a", "a\0"])
def test_a_note_id_that_leaves_the_folder_is_refused(tmp_path: Path, note_id: str) -> None:
    with pytest.raises(UserError, match="the id of note 1 is no file name of its own"):
        brat.write(tmp_path, [Note(note_id, "g", "x")])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("first", "second"), [("a/b", "a//b"), ("a", "a/"), ("a", "./a"), ("Ana", "ana")])
def test_two_notes_do_not_overwrite_each_other(tmp_path: Path, first: str, second: str) -> None:
    with pytest.raises(UserError, match=r"^the id of note 2 is no file name of its own; export to jsonl instead$"):
        brat.write(tmp_path, [Note(first, "g", "x"), Note(second, "g", "y")])
    assert (tmp_path / f"{first}.txt").read_text() == "x"


def test_notes_are_not_written_where_git_would_take_them(workdir: Path) -> None:
    note_table.write("notes", [Note("a", "g", "x")])
    for out in ("export", "metrics/export", "data/../export"):
        with pytest.raises(UserError, match="write below data/, or outside this project"):
            run(export.export, format="jsonl", notes="notes", out=out)
    assert not Path("export").exists()
    run(export.export, format="jsonl", notes="notes", out="data/export")
    # Notes without a record of their own count as real, and what is exported says so.
    assert lineage.read("data/export") == {Read("notes", "real", "content")}


@pytest.mark.parametrize("name", ["brat", "conll"])
def test_a_label_with_white_space_is_refused_by_formats_that_cannot_hold_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="a label holds white space"):
        export.FORMATS[name](tmp_path, [Note("a", "g", "x", (Span(0, 1, "FIRST NAME"),))])


@pytest.mark.parametrize(
    ("name", "file"),
    [("brat", "a.ann"), ("conll", "notes.conll"), ("jsonl", "notes.jsonl"), ("dataset", "train.parquet")],
)
def test_the_command_writes_a_folder(workdir: Path, name: str, file: str) -> None:
    write_params({})
    note_table.write("table", [Note("a", "g", "Ana", (Span(0, 3, "NAME"),))])
    run(export.export, format=name, notes="table", out="data/out")
    assert (workdir / "data/out" / file).is_file()
