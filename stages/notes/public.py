"""Public texts: folders below data/public with text.jsonl, one JSON object with `note_id` and `text` per line."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel

from stages.notes import jsonl
from stages.notes.note_table import Note
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read

FILE = "text.jsonl"


class Text(BaseModel):
    """A line; other keys are ignored."""

    note_id: str
    text: str


def folders(public: str | Path, names: Iterable[str]) -> list[Path]:
    """The folders of the named public texts. Raises UserError if one is missing."""
    found = [Path(public) / name for name in names]
    for folder in found:
        if not (folder / FILE).is_file():
            raise UserError(
                f"{folder / FILE}: no such public text; put it there, one JSON object with `note_id` and "
                "`text` per line, and `dvc add` the folder"
            )
    return found


def read(texts: Iterable[Path]) -> Iterator[Note]:
    """Stream the texts of public folders as notes, each its own group. Raises UserError for a malformed line."""
    for folder in texts:
        for _, row in jsonl.read(folder / FILE, Text):
            yield Note(row.note_id, row.note_id, row.text)


def content(texts: Iterable[Path]) -> set[Read]:
    """The lineage of a corpus made from these folders: their own records, or public content where there is none."""
    return set().union(*(lineage.read(folder, [Read(folder.name, "public", "content")]) for folder in texts))


def reads(texts: Iterable[Path], weights: bool) -> set[Read]:
    """The lineage of a model made from these folders: vocabulary reads and, if it is pretrained, gradient reads."""
    found = content(texts)
    return lineage.as_read(found, "vocabulary") | (lineage.trained_on(found) if weights else set())
