"""Write a note table in another format: brat, CoNLL, JSONL or a Hugging Face data set. A command, not a DVC stage.

brat, JSONL and data sets read back as the same text and spans. CoNLL has no white space of its own: the words and the
spans over them read back, in text with one space between words.
"""

import argparse
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from stages.shared import notes, outputs, tags
from stages.shared.errors import UserError, run
from stages.shared.notes import SCHEMA, Note, Span

# What a data set calls the notes of a corpus without an official split.
_ONE_SPLIT = "train"


def write_brat(folder: Path, table: Iterable[Note]) -> None:
    """NAME.txt, the text byte for byte, and NAME.ann; NAME is the note id and may hold folders."""
    for note in table:
        path = folder / f"{_file_name(note)}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(note.text.encode("utf-8"))
        annotations = (
            f"T{number}\t{_one_word(span.label)} {span.start} {span.end}\t{_one_line(note.surface(span))}\n"
            for number, span in enumerate(note.spans, 1)
        )
        path.with_name(f"{path.stem}.ann").write_bytes("".join(annotations).encode("utf-8"))


def write_conll(folder: Path, table: Iterable[Note]) -> None:
    """notes.conll: -DOCSTART- before each note, a blank line at each line break, `word<TAB>tag`.

    A word that a span cuts is written as two; a line break inside a span does not end the sentence. Note ids are
    lost: documents are in the order of the table.
    """
    with open(folder / "notes.conll", "w", encoding="utf-8", newline="") as file:
        for note in table:
            file.write("-DOCSTART-\tO\n\n")
            end = 0
            for start, word_end, tag in _tagged_words(note):
                if "\n" in note.text[end:start] and not tag.startswith("I-") and end:
                    file.write("\n")
                file.write(f"{note.text[start:word_end]}\t{tag}\n")
                end = word_end
            file.write("\n")


def write_jsonl(folder: Path, table: Iterable[Note]) -> None:
    """notes.jsonl: an object per line with note_id, group_id, split, text and spans; `score` where there is one."""
    with open(folder / "notes.jsonl", "w", encoding="utf-8", newline="") as file:
        for note in table:
            row = {
                "note_id": note.note_id,
                "group_id": note.group_id,
                "split": note.split,
                "text": note.text,
                "spans": [_span(span) for span in note.spans],
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_dataset(folder: Path, table: Iterable[Note]) -> None:
    """A folder for `datasets.load_dataset`: one Parquet file per split and the README.md that names them."""
    schema = SCHEMA.remove(SCHEMA.get_field_index("provenance"))
    writers: dict[str, pq.ParquetWriter] = {}
    try:
        for chunk in notes.batched(table, notes.CHUNK):
            for split in sorted({note.split or _ONE_SPLIT for note in chunk}):
                if not re.fullmatch(r"\w+(\.\w+)*", split):
                    raise UserError(f"split {split}: a data set's split name has letters, digits and _ only")
                if split not in writers:
                    writers[split] = pq.ParquetWriter(folder / f"{split}.parquet", schema)
                rows = [
                    {
                        "note_id": note.note_id,
                        "group_id": note.group_id,
                        "text": note.text,
                        "spans": [_span(span) for span in note.spans],
                        "split": note.split,
                    }
                    for note in chunk
                    if (note.split or _ONE_SPLIT) == split
                ]
                writers[split].write_table(pa.Table.from_pylist(rows, schema=schema))
    finally:
        for writer in writers.values():
            writer.close()
    files = "".join(f"  - split: {split}\n    path: {split}.parquet\n" for split in sorted(writers))
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n")


FORMATS: dict[str, Callable[[Path, Iterable[Note]], None]] = {
    "brat": write_brat,
    "conll": write_conll,
    "jsonl": write_jsonl,
    "dataset": write_dataset,
}


def _tagged_words(note: Note) -> Iterator[tuple[int, int, str]]:
    """(start, end, tag) of the words, cut where spans begin and end."""
    cuts = sorted({edge for span in note.spans for edge in (span.start, span.end)})
    pieces: list[tuple[int, int]] = []
    cut = 0
    for start, end in tags.words(note.text):
        while cut < len(cuts) and cuts[cut] < end:
            if cuts[cut] > start:
                pieces.append((start, cuts[cut]))
                start = cuts[cut]
            cut += 1
        pieces.append((start, end))
    for (start, end), tag in zip(pieces, tags.encode(note.spans, pieces), strict=True):
        yield start, end, _one_word(tag)


def _span(span: Span) -> dict[str, int | str | float]:
    plain = {"start": span.start, "end": span.end, "label": span.label}
    return plain if span.score is None else {**plain, "score": span.score}


def _one_line(surface: str) -> str:
    """The surface as brat's third column has it: each line-break character a space."""
    return re.sub(r"[\r\n]", " ", surface)


def _one_word(label: str) -> str:
    if not re.fullmatch(r"\S+", label):
        raise UserError("a label holds white space, which this format cannot; map it to another name")
    return label


def _file_name(note: Note) -> str:
    path = PurePosixPath(note.note_id)
    if path.is_absolute() or any(part.startswith(".") for part in path.parts) or "\0" in note.note_id:
        raise UserError(f"note id {note.note_id} is no file name; export to jsonl instead")
    return note.note_id


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--notes", required=True, help="folder of a note table, such as data/corpora/notes/NAME"
    )
    parser.add_argument("--format", required=True, choices=sorted(FORMATS), help="format to write")
    parser.add_argument(
        "--out", required=True, help="folder to write: as private as the notes, keep it below data/"
    )
    options = parser.parse_args()
    with outputs.building(options.out) as partial:
        partial.mkdir()
        FORMATS[options.format](partial, notes.read(options.notes))


if __name__ == "__main__":
    run(main)
