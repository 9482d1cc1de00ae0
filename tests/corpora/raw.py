"""Raw corpora of invented notes for the tests of the readers, and the folder of the real ones."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stages.corpora.prepare import RawCorpus, RawNotes, prepare
from stages.notes import note_table
from stages.notes.labels import Labels
from stages.notes.note_table import Note
from stages.runtime import params
from stages.runtime.errors import UserError
from stages.runtime.outputs import read_json
from tests.graph import ROOT
from tests.runs import run, write_params

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


def read(
    folder: Path, files: dict[str, str | bytes], labels: Sequence[str] = (), **raw: Any
) -> tuple[list[Note], dict[str, Any]]:
    """The notes and the report that corpora_prepare makes of a raw corpus of `files`; `raw` is its settings."""
    place = {} if {"parts", "path"} & raw.keys() else {"path": "."}
    return prepared(folder, lay_out(folder, files), dict.fromkeys(labels, "other"), place | raw)


def prepared(
    folder: Path, source: Path, labels: dict[str, str], raw: dict[str, Any]
) -> tuple[list[Note], dict[str, Any]]:
    """The notes and the report of the raw corpus in `source`, made in `folder`."""
    with contextlib.chdir(folder):
        write_params({"catalog": {"invented": {"labels": labels, "raw": raw}}})
        run(prepare, corpus="invented", raw=source, out="out", report="report.json")
    return list(note_table.read(folder / "out")), read_json(folder / "report.json")


def raw_notes(folder: Path, labels: Sequence[str], **raw: Any) -> RawNotes:
    """The notes of the raw corpus in `folder`, streamed."""
    settings = RawCorpus.model_validate({"path": "."} | raw)
    return RawNotes(folder, settings.root, Labels(dict.fromkeys(labels, "other")))


def catalog(corpus: str, file: str) -> dict[str, Any]:
    """A corpus's entry in params.yaml or a profile."""
    return params.read(ROOT / file)["catalog"][corpus]


def fails(folder: Path, files: dict[str, str | bytes], *expected: str, **raw: Any) -> str:
    """Assert that reading ends in one UserError with each expected piece and no note text, and leaves no output."""
    with pytest.raises(UserError) as caught:
        read(folder, files, **raw)
    message = str(caught.value)
    for piece in expected:
        assert piece in message
    assert SECRET not in message
    assert "\n" not in message
    # Beside the inputs there is only the folder of the stage's lock, which is empty again.
    assert sorted(path.name for path in folder.iterdir()) == ["data", "params.yaml", "raw"]
    assert not any(path.is_file() for path in (folder / "data").rglob("*"))
    return message


def spans(note: Note) -> list[tuple[int, int, str, str]]:
    """(start, end, label, surface) of a note's spans."""
    return [(span.start, span.end, span.label, note.surface(span)) for span in note.spans]
