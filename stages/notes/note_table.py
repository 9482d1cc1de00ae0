"""The note table, the one type of data that flows between stages: a folder with notes.parquet, one row per note.

Offsets are Unicode code points of `text`, end exclusive; `text` is exactly as in the source.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from stages.runtime.errors import UserError
from stages.runtime.stage import Input

FILE = "notes.parquet"
# Notes per row group: what a reader or writer holds in memory at once.
CHUNK = 256

_SPAN = pa.struct({"start": pa.int64(), "end": pa.int64(), "label": pa.string(), "score": pa.float64()})
SCHEMA = pa.schema(
    {
        "note_id": pa.string(),
        "group_id": pa.string(),
        "text": pa.string(),
        "spans": pa.list_(_SPAN),
        "split": pa.string(),
        # A JSON object. Each stage decides what it records: reader, source file, prompt, seed, model.
        "provenance": pa.string(),
    }
)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A tagged piece of PII, `text[start:end]`. `score` is the tagger's confidence, None for gold tags."""

    start: int
    end: int
    label: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A note. Notes with the same `group_id`, such as those of a patient, always stay in one part of a split."""

    note_id: str
    group_id: str
    text: str
    spans: tuple[Span, ...] = ()
    split: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def surface(self, span: Span) -> str:
        """The text that a span covers."""
        return self.text[span.start : span.end]


def write(folder: str | Path, notes: Iterable[Note]) -> int:
    """Write a note table into `folder`, in the order given; return the number of notes.

    Keeps `CHUNK` notes in memory. Raises ValueError for a span that is empty, outside its note, or not entirely after
    the span before it: a bug of the stage.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    count = 0
    with pq.ParquetWriter(Path(folder) / FILE, SCHEMA, compression="zstd") as writer:
        for chunk in batched(notes, CHUNK):
            writer.write_table(pa.Table.from_pylist([_row(note) for note in chunk], schema=SCHEMA))
            count += len(chunk)
    return count


def read(folder: str | Path) -> Iterator[Note]:
    """Stream the notes of a table, in order."""
    for batch in _file(folder).iter_batches(batch_size=CHUNK):
        for row in batch.to_pylist():
            spans = tuple(Span(**span) for span in row["spans"])
            yield Note(**row | {"spans": spans, "provenance": json.loads(row["provenance"])})


def count(folder: str | Path) -> int:
    """Number of notes in a table, without reading them."""
    return _file(folder).metadata.num_rows


NoteTable = Annotated[Path, Input(count)]


def frame(folder: str | Path) -> pl.LazyFrame:
    """The table as a lazy polars frame."""
    _file(folder).close()
    return pl.scan_parquet(Path(folder) / FILE)


def count_words(text: str) -> int:
    """Number of words separated by white space: the unit of volumes and shares."""
    return len(text.split())


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of `size` items, the last one shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _file(folder: str | Path) -> pq.ParquetFile:
    path = Path(folder) / FILE
    if not path.is_file():
        raise UserError(f"{path}: no note table here; run `dvc repro` to make it")
    # Pre-buffering would keep the columns of every row group in memory until the file is closed.
    file = pq.ParquetFile(path, pre_buffer=False)
    if not file.schema_arrow.equals(SCHEMA):
        raise UserError(f"{path}: not a note table of this version; run `dvc repro` to make it again")
    return file


def _row(note: Note) -> dict[str, Any]:
    end = 0
    for span in note.spans:
        if not (end <= span.start < span.end <= len(note.text)):
            raise ValueError(f"span {span.start}-{span.end} overlaps, is empty or outside its note")
        end = span.end
    return {
        **{name: getattr(note, name) for name in SCHEMA.names},
        "spans": [{"start": s.start, "end": s.end, "label": s.label, "score": s.score} for s in note.spans],
        "provenance": json.dumps(note.provenance, sort_keys=True, ensure_ascii=False),
    }
