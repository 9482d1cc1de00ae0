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
    each character of the break. Raises UserError for a note id that is no file name of its own and a label with white
    space.
    """
    taken: set[str] = set()
    for number, note in enumerate(notes, 1):
        path = PurePosixPath(note.note_id)
        hidden = not path.name or path.is_absolute() or any(part.startswith(".") for part in path.parts)
        if hidden or "\0" in note.note_id or str(path).casefold() in taken:
            raise UserError(f"the id of note {number} is no file name of its own; export to jsonl instead")
        # `a/b` and `a//b` are one file, as are `a` and `A` on some disks.
        taken.add(str(path).casefold())
        text = folder / f"{path}.txt"
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
