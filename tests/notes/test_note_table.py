"""The note table: everything that goes in comes out, in order, and nothing wrong goes in."""

import json
from dataclasses import replace

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.notes import note_table
from stages.notes.note_table import CHUNK, FILE, SCHEMA, Note, Span
from stages.runtime.errors import UserError

NOTE = Note("n", "g", "Ana, 3/4", (Span(0, 3, "NAME"), Span(5, 8, "DATE")))


def numbered(size: int) -> list[Note]:
    return [Note(f"n{number}", f"g{number // 2}", f"note {number}") for number in range(size)]


def test_every_field_comes_back(tmp_path):
    notes = [
        Note(
            note_id="ward/1",
            group_id="p1",
            text="\ufeffAna\r\n\tIne\u0301s \U0001f469\U0001f3fd\u200d\u2695\ufe0f \u2028 x\x00",
            spans=(Span(1, 4, "NAME"), Span(7, 12, "NAME", 0.25), Span(13, 17, "ROLE", 1.0)),
            split="test",
            provenance={"model": "españa", "seed": 7, "start": None, "scores": [0.5], "más": {"ñ": "\u2028"}},
        ),
        Note("2", "p1", ""),
    ]
    assert note_table.write(tmp_path, notes) == 2
    assert list(note_table.read(tmp_path)) == notes
    assert [note.split for note in note_table.read(tmp_path)] == ["test", None]
    assert notes[0].surface(notes[0].spans[1]) == "Ine\u0301s"


@given(text=st.text(st.characters(exclude_categories=["Cs"])), score=st.none() | st.floats(0, 1))
def test_any_text_comes_back(tmp_path_factory, text, score):
    folder = tmp_path_factory.mktemp("table")
    note = Note("n", "g", text, (Span(0, len(text), "X", score),) if text else (), provenance={"text": text})
    note_table.write(folder, [note])
    assert list(note_table.read(folder)) == [note]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5])
def test_order_and_number_are_kept_across_chunks(tmp_path, size):
    assert note_table.write(tmp_path / "a" / "b", iter(numbered(size))) == size
    assert list(note_table.read(tmp_path / "a" / "b")) == numbered(size)
    assert note_table.count(tmp_path / "a" / "b") == size


def test_equal_notes_are_equal_bytes(tmp_path):
    for name in "ab":
        note_table.write(
            tmp_path / name, [replace(NOTE, provenance={"b": 1, "a": 2} if name == "a" else {"a": 2, "b": 1})]
        )
    assert (tmp_path / "a" / FILE).read_bytes() == (tmp_path / "b" / FILE).read_bytes()
    assert pq.read_table(tmp_path / "a" / FILE)["provenance"].to_pylist() == ['{"a": 2, "b": 1}']


@pytest.mark.parametrize(
    ("spans", "wrong"),
    [
        ([(0, 0)], "0-0"),
        ([(3, 2)], "3-2"),
        ([(-1, 2)], "-1-2"),
        ([(5, 9)], "5-9"),
        ([(0, 3), (2, 4)], "2-4"),
        ([(0, 3), (0, 3)], "0-3"),
        ([(5, 8), (0, 3)], "0-3"),
    ],
)
def test_a_span_that_is_not_valid_is_refused(tmp_path, spans, wrong):
    note = replace(NOTE, spans=tuple(Span(start, end, "X") for start, end in spans))
    with pytest.raises(ValueError) as caught:
        note_table.write(tmp_path, [note])
    assert str(caught.value) == f"span {wrong} overlaps, is empty or outside its note"


def test_touching_spans_and_a_span_over_the_whole_text_are_valid(tmp_path):
    for spans in ([(0, 3), (3, 8)], [(0, 8)]):
        note = replace(NOTE, spans=tuple(Span(start, end, "X") for start, end in spans))
        note_table.write(tmp_path, [note])
        assert list(note_table.read(tmp_path)) == [note]


@pytest.mark.parametrize("look", [note_table.count, note_table.frame, lambda folder: list(note_table.read(folder))])
def test_a_folder_without_a_table_or_with_another_schema_is_named(tmp_path, look):
    with pytest.raises(UserError) as caught:
        look(tmp_path)
    assert str(caught.value) == f"{tmp_path / FILE}: no note table here; run `dvc repro` to make it"
    pq.write_table(pa.table({"note_id": ["n"], "text": ["t"]}), tmp_path / FILE)
    with pytest.raises(UserError) as caught:
        look(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / FILE}: not a note table of this version; run `dvc repro` to make it again"
    )


def test_a_frame_has_the_columns_of_the_schema_and_every_note(tmp_path):
    note_table.write(tmp_path, [NOTE, *numbered(CHUNK)])
    frame = note_table.frame(tmp_path)
    assert isinstance(frame, pl.LazyFrame)
    assert frame.collect_schema().names() == SCHEMA.names
    found = frame.select("note_id", pl.col("spans").list.len().alias("size")).collect()
    assert found["note_id"].to_list() == ["n", *(f"n{number}" for number in range(CHUNK))]
    assert found["size"].to_list() == [2] + [0] * CHUNK


def test_writing_takes_one_chunk_at_a_time(tmp_path):
    note_table.write(tmp_path, numbered(3 * CHUNK + 1))
    assert pq.ParquetFile(tmp_path / FILE).metadata.num_row_groups == 4
    rest = iter([replace(NOTE, spans=(Span(0, 99, "X"),)), *numbered(3 * CHUNK)])
    with pytest.raises(ValueError, match="span 0-99"):
        note_table.write(tmp_path, rest)
    assert len(list(rest)) == 2 * CHUNK + 1


def test_reading_holds_a_few_chunks_in_memory(tmp_path):
    """Arrow memory while reading 12 chunks of 2 MB is that of three."""
    texts = (f"{number:08}" * 1_000 for number in range(12 * CHUNK))
    note_table.write(tmp_path, (Note(str(number), "g", text) for number, text in enumerate(texts)))
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in note_table.read(tmp_path)]
    assert len(held) == 12 * CHUNK
    assert max(held) < 4 * CHUNK * 8_000


def test_words_are_what_white_space_separates():
    assert [note_table.count_words(text) for text in ("", " \n", "a", " a-b\u00a0c\td ")] == [0, 0, 1, 3]


@pytest.mark.parametrize(
    ("size", "expected"), [(2, [[0, 1], [2, 3], [4]]), (5, [[0, 1, 2, 3, 4]]), (9, [[0, 1, 2, 3, 4]])]
)
def test_batches(size, expected):
    assert list(note_table.batched(range(5), size)) == expected
    assert list(note_table.batched([], size)) == []


def test_provenance_is_json(tmp_path):
    note_table.write(tmp_path, [replace(NOTE, provenance={"ñ": "é"})])
    [text] = pq.read_table(tmp_path / FILE)["provenance"].to_pylist()
    assert text == '{"ñ": "é"}' and json.loads(text) == {"ñ": "é"}
