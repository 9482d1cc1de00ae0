"""Write notes in brat's stand-off format: NAME.txt with the text and NAME.ann with its tags; NAME is the note id."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from stages.notes.note_table import Note
from stages.runtime.errors import UserError

_LINE_BREAK = re.compile(r"[\r\n]")


def write(folder: Path, notes: Iterable[Note]) -> None:
    """Write the files of all notes; the text is unchanged, and a note id may hold folders.

    As in the shared tasks' files, a span with a line break keeps one pair of offsets, and the .ann has a space for
    each character of the break. Raises UserError for a note id that is no file name and a label with white space.
    """
    for note in notes:
        path = PurePosixPath(note.note_id)
        if path.is_absolute() or any(part.startswith(".") for part in path.parts) or "\0" in note.note_id:
            raise UserError(f"note id {note.note_id} is no file name; export to jsonl instead")
        text = folder / f"{note.note_id}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_bytes(note.text.encode("utf-8"))
        annotations = (
            f"T{number}\t{one_word(span.label)} {span.start} {span.end}\t{_LINE_BREAK.sub(' ', note.surface(span))}\n"
            for number, span in enumerate(note.spans, start=1)
        )
        text.with_name(f"{text.stem}.ann").write_bytes("".join(annotations).encode("utf-8"))


def one_word(label: str) -> str:
    """The label itself. Raises UserError if it holds white space, which separates columns in brat and CoNLL files."""
    if not re.fullmatch(r"\S+", label):
        raise UserError("a label holds white space, which this format cannot represent; rename it")
    return label
