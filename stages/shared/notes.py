"""The note table, the one type that flows between stages: a folder with notes.parquet, one row per note.

Offsets are Unicode code points of `text`, end exclusive; `text` is exactly as in the source.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from stages.shared.errors import UserError

FILE = "notes.parquet"
# Notes per row group: what a reader or writer holds in memory at once.
CHUNK = 256

SCHEMA = pa.schema(
    [
        ("note_id", pa.string()),
        ("group_id", pa.string()),
        ("text", pa.string()),
        (
            "spans",
            pa.list_(
                pa.struct(
                    [
                        ("start", pa.int64()),
                        ("end", pa.int64()),
                        ("label", pa.string()),
                        ("score", pa.float64()),
                    ]
                )
            ),
        ),
        ("split", pa.string()),
        # JSON object: reader, source file, prompt, seed, model, as the writing stage sees fit.
        ("provenance", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """One piece of PII: `text[start:end]`; `score` is None for gold."""

    start: int
    end: int
    label: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """One note. `group_id` is what a split must not tear apart: a patient, a source article."""

    note_id: str
    group_id: str
    text: str
    spans: tuple[Span, ...] = ()
    split: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def surface(self, span: Span) -> str:
        """The words a span covers."""
        return self.text[span.start : span.end]


def write(folder: str | Path, notes: Iterable[Note]) -> int:
    """Write a note table into `folder` in the order given, `CHUNK` notes in memory at a time; return how many.

    Raises ValueError on a span outside its note or out of order: a stage that makes one has a defect.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    count = 0
    with pq.ParquetWriter(Path(folder) / FILE, SCHEMA, compression="zstd") as writer:
        for chunk in batched(notes, CHUNK):
            writer.write_table(pa.Table.from_pylist([_row(note) for note in chunk], schema=SCHEMA))
            count += len(chunk)
    return count


def read(folder: str | Path) -> Iterator[Note]:
    """The notes of a table in their order, streamed."""
    for batch in _file(folder).iter_batches(batch_size=CHUNK):
        for row in batch.to_pylist():
            yield Note(
                note_id=row["note_id"],
                group_id=row["group_id"],
                text=row["text"],
                spans=tuple(Span(s["start"], s["end"], s["label"], s["score"]) for s in row["spans"]),
                split=row["split"],
                provenance=json.loads(row["provenance"]),
            )


def count(folder: str | Path) -> int:
    """Number of notes in a table, without reading them."""
    return _file(folder).metadata.num_rows


def frame(folder: str | Path) -> pl.LazyFrame:
    """The table as a lazy polars frame."""
    _file(folder).close()
    return pl.scan_parquet(Path(folder) / FILE)


def words(text: str) -> int:
    """Number of words as volumes and shares count them: separated by white space."""
    return len(text.split())


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of `size` items, the last one shorter."""
    chunk: list[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _file(folder: str | Path) -> pq.ParquetFile:
    path = Path(folder) / FILE
    if not path.is_file():
        raise UserError(f"{path}: no note table here; run `dvc repro` to make it")
    # Pre-buffering would hold every row group's columns until the file is closed.
    file = pq.ParquetFile(path, pre_buffer=False)
    if not file.schema_arrow.equals(SCHEMA):
        raise UserError(f"{path}: not a note table of this version; run `dvc repro` to make it again")
    return file


def _row(note: Note) -> dict[str, Any]:
    end = 0
    for span in note.spans:
        if not (end <= span.start < span.end <= len(note.text)):
            raise ValueError(
                f"note {note.note_id}: span {span.start}-{span.end} overlaps, is empty or outside"
            )
        end = span.end
    return {
        "note_id": note.note_id,
        "group_id": note.group_id,
        "text": note.text,
        "spans": [{"start": s.start, "end": s.end, "label": s.label, "score": s.score} for s in note.spans],
        "split": note.split,
        "provenance": json.dumps(note.provenance, sort_keys=True, ensure_ascii=False),
    }
