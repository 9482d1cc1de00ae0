"""Public texts: what is read, what is refused, and the lineage that corpora and models inherit."""

import json
from pathlib import Path

import pytest

from stages.notes import public
from stages.notes.note_table import Note
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read


def text(folder: Path, *lines: str) -> Path:
    folder.mkdir(parents=True)
    (folder / public.FILE).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return folder


def test_texts_are_notes_each_in_a_group_of_its_own(tmp_path: Path) -> None:
    rows = [{"note_id": "a", "text": "Ana\nvió"}, {"note_id": "b", "text": "", "more": 1}]
    one = text(tmp_path / "one", *map(json.dumps, rows))
    two = text(tmp_path / "two", '{"note_id": "c", "text": "ñ"}')
    assert public.folders(tmp_path, ["two", "one"]) == [two, one]
    assert list(public.read([one, two])) == [Note("a", "a", "Ana\nvió"), Note("b", "b", ""), Note("c", "c", "ñ")]


def test_a_missing_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"wiki/text\.jsonl: no such public text; .* `dvc add` the folder"):
        public.folders(tmp_path, ["wiki"])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "not valid JSON at column 1 (Expecting value); correct the line"),
        ('{"secret"', "not valid JSON at column 10 (Expecting ':' delimiter); correct the line"),
        ('["secret"]', "not a JSON object; correct the line"),
        ('{"note_id": "secret"}', 'expected {"note_id": ..., "text": ...}'),
        ('{"note_id": 1, "text": "secret"}', 'expected {"note_id": ..., "text": ...}'),
        (
            '{"note_id": "b", "text": "a", "text": "secret"}',
            "a key twice in one object, or a value too large to read; correct the line",
        ),
        ("[" * 100_000, "a key twice in one object, or a value too large to read; correct the line"),
    ],
)
def test_a_line_that_is_no_text_is_named_and_not_quoted(tmp_path: Path, line: str, problem: str) -> None:
    folder = text(tmp_path / "x", '{"note_id": "a", "text": "secret"}', line)
    with pytest.raises(UserError) as caught:
        list(public.read([folder]))
    assert str(caught.value) == f"{folder / public.FILE}:2: {problem}"


def test_lineage_of_corpora_and_models_made_of_public_texts(tmp_path: Path) -> None:
    wiki, demo = text(tmp_path / "wiki"), text(tmp_path / "demo")
    lineage.write(demo, [Read("demo/public-text", "invented", "content"), Read("n", "real", "generator")])
    assert public.content([wiki, demo]) == {
        Read("wiki", "public", "content"),
        Read("demo/public-text", "invented", "content"),
        Read("n", "real", "generator"),
    }
    vocabulary = {
        Read("wiki", "public", "vocabulary"),
        Read("demo/public-text", "invented", "vocabulary"),
        Read("n", "real", "generator"),
    }
    assert public.reads([wiki, demo], weights=False) == vocabulary
    assert public.reads([wiki, demo], weights=True) == vocabulary | {
        Read("wiki", "public", "gradient"),
        Read("demo/public-text", "invented", "gradient"),
    }
