"""Public texts: folders of data/public with text.jsonl, one JSON object with `note_id` and `text` per line."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from stages.shared import lineage
from stages.shared.errors import UserError, at
from stages.shared.lineage import Read
from stages.shared.notes import Note

FILE = "text.jsonl"


def folders(public: str | Path, names: Iterable[str]) -> list[Path]:
    """Folders of the named public texts; UserError when one is missing."""
    found = [Path(public) / name for name in names]
    for folder in found:
        if not (folder / FILE).is_file():
            raise UserError(
                f"{folder / FILE}: no such public text; put it there, one JSON object with `note_id` and "
                "`text` per line, and `dvc add` the folder"
            )
    return found


def read(of: Iterable[Path]) -> Iterator[Note]:
    """The texts of public folders as notes, each its own group, streamed; UserError on a line that is none."""
    for folder in of:
        path = folder / FILE
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    row = json.loads(line)
                    name, text = row["note_id"], row["text"]
                except (ValueError, KeyError, TypeError):
                    name = text = None
                if not isinstance(text, str) or not isinstance(name, str):
                    raise UserError(f'{at(path, number)}: expected {{"note_id": ..., "text": ...}} as JSON')
                yield Note(name, name, text)


def content(of: Iterable[Path]) -> set[Read]:
    """The lineage of corpora made of these folders: their own record, or public content where they bring none."""
    reads = set()
    for folder in of:
        kept = (folder / lineage.FILE).is_file()
        reads |= lineage.read(folder) if kept else {Read(folder.name, "public", "content")}
    return reads


def reads(of: Iterable[Path], weights: bool) -> set[Read]:
    """Vocabulary and, after pretraining, gradient reads of a model made from these folders."""
    found = set()
    for entry in content(of):
        if entry.how == "content":
            found.add(entry._replace(how="vocabulary"))
            if weights:
                found.add(entry._replace(how="gradient"))
        else:
            found.add(entry)
    return found
