"""Raw corpora of invented notes for the tests of the readers, and where the real ones are."""

from pathlib import Path
from typing import Any

import pytest

from stages.corpora.prepare import FORMATS, prepare
from stages.shared import notes
from stages.shared.errors import UserError
from stages.shared.notes import Note

REAL = Path(__file__).parents[2].parent / "shared" / "corpora"

# A word that stands in every invented note that goes wrong: no message may hold it.
SECRET = "Zarzamora"


def real(name: str) -> Path:
    """The folder of a real corpus, or the test is skipped."""
    if not (REAL / name).is_dir():
        pytest.skip(f"no corpus {name} in ../shared/corpora")
    return REAL / name


def lay_out(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files below `folder`/raw byte for byte; return that folder."""
    for name, content in files.items():
        path = folder / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return folder / "raw"


def read(folder: Path, files: dict[str, str | bytes], **params: Any) -> tuple[list[Note], dict[str, Any]]:
    """The notes and the report of a raw corpus made of `files`."""
    place = {} if {"parts", "path"} & params.keys() else {"path": "."}
    settings = FORMATS[params["format"]].Params(**place, **params)
    report = prepare(lay_out(folder, files), "invented", settings, folder / "out")
    return list(notes.read(folder / "out")), report


def fails(folder: Path, files: dict[str, str | bytes], *expected: str, **params: Any) -> str:
    """Assert that reading ends in one UserError with each expected piece and no note text, and leaves no output."""
    with pytest.raises(UserError) as caught:
        read(folder, files, **params)
    message = str(caught.value)
    for piece in expected:
        assert piece in message
    assert SECRET not in message
    assert "\n" not in message
    assert sorted(path.name for path in folder.iterdir()) == ["raw"]
    return message


def spans(note: Note) -> list[tuple[int, int, str, str]]:
    """(start, end, label, surface) of a note's spans."""
    return [(span.start, span.end, span.label, note.surface(span)) for span in note.spans]
