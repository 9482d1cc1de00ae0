"""Write a note table in another format: brat, CoNLL, JSONL or a Hugging Face dataset. A command, not a DVC stage.

brat, JSONL and datasets read back as the same text and spans. CoNLL does not keep white space: the words and their
spans read back, in a text with one space between words.
"""

import re
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from stages.notes import brat, jsonl, note_table, tags
from stages.notes.note_table import SCHEMA, Note, NoteTable
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.stage import Output, stage

# The split of a dataset whose corpus has no official split.
_ONE_SPLIT = "train"


def write_conll(folder: Path, notes: Iterable[Note]) -> None:
    """notes.conll: -DOCSTART- before each note, a blank line at each line break, `word<TAB>tag`.

    A word that a span cuts is written as two, and a line break inside a span does not end the sentence. Note ids are
    lost; documents are in the order of the table.
    """
    with open(folder / "notes.conll", "w", encoding="utf-8", newline="") as file:
        for note in notes:
            file.write("-DOCSTART-\tO\n\n")
            # The words, cut where spans begin and end.
            cuts = sorted({0, len(note.text), *(edge for span in note.spans for edge in (span.start, span.end))})
            words = [
                (begin + start, begin + end)
                for begin, cut in pairwise(cuts)
                for start, end in tags.word_offsets(note.text[begin:cut])
            ]
            before = 0
            for (start, end), tag in zip(words, tags.encode(note.spans, words), strict=True):
                if "\n" in note.text[before:start] and not tag.startswith("I-") and before:
                    file.write("\n")
                file.write(f"{note.text[start:end]}\t{brat.one_word(tag)}\n")
                before = end
            file.write("\n")


def write_jsonl(folder: Path, notes: Iterable[Note]) -> None:
    """notes.jsonl: one object per line with note_id, group_id, split, text and spans, scored ones with `score`."""
    jsonl.write(folder / "notes.jsonl", map(_row, notes))


def write_dataset(folder: Path, notes: Iterable[Note]) -> None:
    """A folder for `datasets.load_dataset`: one Parquet file per split and the README.md that names them."""
    schema = SCHEMA.remove(SCHEMA.get_field_index("provenance"))
    writers: dict[str, pq.ParquetWriter] = {}
    with ExitStack() as stack:
        for chunk in note_table.batched(notes, note_table.CHUNK):
            for split in sorted({note.split or _ONE_SPLIT for note in chunk}):
                if not re.fullmatch(r"\w+(\.\w+)*", split):
                    raise UserError(f"split {split}: the name of a dataset's split has only letters, digits and _")
                if split not in writers:
                    writers[split] = stack.enter_context(pq.ParquetWriter(folder / f"{split}.parquet", schema))
                rows = [_row(note) for note in chunk if (note.split or _ONE_SPLIT) == split]
                writers[split].write_table(pa.Table.from_pylist(rows, schema=schema))
    files = "".join(f"  - split: {split}\n    path: {split}.parquet\n" for split in sorted(writers))
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n")


FORMATS = {"brat": brat.write, "conll": write_conll, "jsonl": write_jsonl, "dataset": write_dataset}


@stage("corpora.export")
def export(
    format: Literal["brat", "conll", "jsonl", "dataset"],
    notes: NoteTable,
    out: Annotated[Path, Output(folder=True, lineage=False)],
) -> str:
    """Write a note table in another format, with its lineage.

    format: format to write.
    notes: a note table, such as data/corpora/notes/NAME.
    out: as private as the notes; inside this project it must be below data/, which git ignores.
    """
    target = out.resolve()
    if target.is_relative_to(Path.cwd()) and not target.is_relative_to(Path.cwd() / "data"):
        raise UserError("notes must not lie where git would take them; write below data/, or outside this project")
    FORMATS[format](out, note_table.read(notes))
    lineage.write(out, lineage.read(notes, otherwise=[Read(notes.name, "real", "content")]))
    return f"{note_table.count(notes)} notes"


def _row(note: Note) -> dict[str, Any]:
    spans = [{key: value for key, value in asdict(span).items() if value is not None} for span in note.spans]
    ids = {"note_id": note.note_id, "group_id": note.group_id, "split": note.split}
    return {**ids, "text": note.text, "spans": spans}


if __name__ == "__main__":
    export.main()
