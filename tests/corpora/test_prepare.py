"""The stage: params, note table, lineage, report, streaming, and nothing half-written."""

import gzip
import json
import os
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.corpora.prepare import Preparation, load_params, main, prepare
from stages.corpora.readers import brat, jsonl, table
from stages.shared import lineage, notes
from stages.shared.errors import UserError
from stages.shared.lineage import Read
from stages.shared.outputs import read_json
from tests.corpora.raw import SECRET, lay_out, read

ROOT = Path(__file__).parents[2]
BRAT: dict[str, Any] = {"format": "brat", "labels": {"PER": "NAME", "DAY": "DATE", "NOTE": None}}
FILES: dict[str, str | bytes] = {
    "tr/p1-1.txt": "\ufeffAna vió\r\n",
    "tr/p1-1.ann": "T1\tPER 1 4\tAna\nT2\tNOTE 5 8\tvió\n",
    "tr/p1-2.txt": "Ana 3/4",
    "tr/p1-2.ann": "T1\tPER 0 3\tAna\nT2\tDAY 4 7\t3/4\n",
    "te/p2-1.txt": "nada",
    "te/p2-1.ann": "",
}
PARTS = {"train": "tr", "test": "te"}
PATTERN = "^(.*)-[0-9]+$"


def test_table_and_report_of_a_corpus_with_an_official_split(tmp_path: Path) -> None:
    read_notes, report = read(tmp_path, FILES, parts=PARTS, group_pattern=PATTERN, **BRAT)
    assert [(n.note_id, n.group_id, n.split) for n in read_notes] == [
        ("p1-1", "p1", "train"),
        ("p1-2", "p1", "train"),
        ("p2-1", "p2", "test"),
    ]
    assert read_notes[0].provenance == {"reader": "brat", "source": "tr/p1-1.txt"}
    assert report == {
        "notes": 3,
        "words": 5,
        "characters": 21,
        "spans": 3,
        "groups": 2,
        "parts": {
            "train": {"notes": 2, "words": 4, "characters": 17, "spans": 3, "groups": 1},
            "test": {"notes": 1, "words": 1, "characters": 4, "spans": 0, "groups": 1},
        },
        "labels": {"NAME": 2, "DATE": 1},
        "dropped_labels": {"NOTE": 1},
        "resolved": {
            "discontinuous": 0,
            "empty_notes": 0,
            "invalid_offsets": 0,
            "line_breaks_joined": 0,
            "orphan_inside_begun": 0,
            "overlapping": 0,
            "spaced_edges": 0,
        },
        "met": {
            "notes_with_byte_order_mark": 1,
            "notes_with_crlf": 1,
            "notes_without_spans": 1,
            "other_annotations": 0,
            "xml_crlf_read_as_lf": 0,
        },
    }
    assert lineage.read(tmp_path / "out") == {Read("invented", "real", "content")}


def test_a_single_path_gives_no_split(tmp_path: Path) -> None:
    read_notes, report = read(tmp_path, FILES, path="te", **BRAT)
    assert [(n.note_id, n.group_id, n.split) for n in read_notes] == [("p2-1", "p2-1", None)]
    assert list(report["parts"]) == ["all"]


@pytest.mark.parametrize(
    ("files", "parts", "expected"),
    [
        ({}, {"train": "tr"}, "raw: no such folder; bring the corpus there"),
        ({"tr/a.txt": "x", "tr/a.ann": ""}, {"train": "tr", "test": "te"}, "te: no such file or folder"),
        ({"tr/readme.md": SECRET}, {"train": "tr"}, "tr: no file named *.txt, *.ann in this folder"),
    ],
)
def test_a_missing_or_empty_folder_is_an_error(
    tmp_path: Path, files: dict[str, str | bytes], parts: dict[str, str], expected: str
) -> None:
    folder = lay_out(tmp_path, files)
    with pytest.raises(UserError, match=expected.replace("*", r"\*")):
        prepare(folder, "invented", brat.Params(parts=parts, **BRAT), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_note_id_without_a_group_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"te/p2-1\.txt: group_pattern finds no group in note id p2-1"):
        read(tmp_path, FILES, parts=PARTS, group_pattern="^p([01])", **BRAT)


def test_a_failure_leaves_the_earlier_output_as_it_was(tmp_path: Path) -> None:
    read(tmp_path, FILES, parts=PARTS, **BRAT)
    before = (tmp_path / "out" / "notes.parquet").read_bytes()
    with pytest.raises(UserError):
        read(tmp_path, {"te/p3-1.txt": "x"}, parts=PARTS, **BRAT)
    assert (tmp_path / "out" / "notes.parquet").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "raw"]


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    tables = []
    for name in ("a", "b"):
        read(tmp_path / name, FILES, parts=PARTS, **BRAT)
        tables.append(
            [(tmp_path / name / "out" / file).read_bytes() for file in ("notes.parquet", "lineage.json")]
        )
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            "{format: brat, path: ., labels: [A], overlaping: error}",
            "did you mean overlapping?",
        ),
        ("{format: brat, path: ., labels: [A], overlapping: longest}", "raw.overlapping: "),
        ("{format: brat, path: .}", "raw.labels: Field required"),
        ("{format: brat, labels: [A]}", "name either parts"),
        ("{format: brat, labels: [A], path: ., parts: {train: x}}", "name either parts"),
        ("{format: brat, labels: [A], parts: {train: ../x}}", "leaves the raw folder"),
        ("{format: brat, labels: [A], path: /x}", "leaves the raw folder"),
        ("{format: brat, labels: [A], path: ., group_pattern: '(a'}", "is not a regular expression"),
        ("{format: brat, labels: [A], path: ., group_pattern: 'a'}", "exactly one (group)"),
        ("{format: bart, labels: [A], path: .}", "raw.format: bart is not one of brat, conll"),
        ("{format: text, labels: [A], path: .}", "raw.labels is not a known key"),
        (
            "{format: table, path: ., columns: {id: a, text: b, group: c}, group_pattern: (a)}",
            "columns.group or",
        ),
        (
            "{format: conll, path: ., labels: [A], separator: tab, columns: 1, documents: file}",
            "raw.columns: ",
        ),
        ("{path: .}", "raw.format: Field required"),
    ],
)
def test_a_wrong_param_is_one_message_that_names_the_key(tmp_path: Path, raw: str, expected: str) -> None:
    (tmp_path / "params.yaml").write_text(f"corpora: {{x: {{raw: {raw}}}}}")
    with pytest.raises(UserError) as caught:
        load_params("x", tmp_path / "params.yaml")
    assert str(caught.value).startswith(f"{tmp_path}/params.yaml: corpora.x.raw")
    assert expected in str(caught.value)


def test_the_demo_and_the_profile_have_valid_entries() -> None:
    demo = load_params("demo-es", ROOT / "params.yaml")
    assert (demo.format, demo.parts) == ("brat", {"train": "train", "test": "test"})
    assert len(demo.labels) >= 12
    meddocan = load_params("meddocan", ROOT / "profiles" / "meddocan-cpu.yaml")
    assert len(meddocan.labels) == 22


def test_the_stage_writes_table_and_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out(tmp_path, FILES)
    _in(tmp_path, monkeypatch, labels={"PER": "NAME", "DAY": "DATE", "NOTE": None})
    main()
    assert notes.count(tmp_path / "data/notes/x") == 3
    report = read_json(tmp_path / "metrics/x.json")
    assert (report["notes"], report["labels"]) == (3, {"DATE": 1, "NAME": 2})
    assert capsys.readouterr().out == "x: 3 notes of 2 groups, 5 words, 3 spans of 2 labels\n"


def test_the_process_ends_with_one_message_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(tmp_path, {**FILES, "te/p2-1.txt": SECRET, "te/p2-1.ann": f"T1\tPER 1 9\t{SECRET}\n"})
    arguments = _in(tmp_path, monkeypatch, labels=["PER", "DAY", "NOTE"])
    done = subprocess.run(
        [sys.executable, "-m", "stages.corpora.prepare", *arguments[1:]],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if "error" in line] == [
        "error: raw/te/p2-1.ann:1: the text at offsets 1-9 is not the covered text given beside them; "
        "correct the offsets or set invalid_offsets: drop"
    ]
    assert SECRET not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "data") == ["params.yaml", "raw"]
    assert not list((tmp_path / "data").rglob("*.*"))


def _in(folder: Path, monkeypatch: pytest.MonkeyPatch, labels: Any) -> list[str]:
    """Make `folder` a small project and the working directory; return the stage's command line."""
    raw = {"format": "brat", "parts": PARTS, "group_pattern": PATTERN, "labels": labels}
    (folder / "params.yaml").write_text(json.dumps({"corpora": {"x": {"raw": raw}}}))
    arguments = [
        "prepare",
        "--corpus",
        "x",
        "--raw",
        "raw",
        "--out",
        "data/notes/x",
        "--report",
        "metrics/x.json",
    ]
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DEIDSYNTH_TRACKING", "off")
    monkeypatch.setattr(sys, "argv", arguments)
    return arguments


@pytest.mark.parametrize("name", ["jsonl", "jsonl.gz", "csv", "csv.gz"])
def test_reading_holds_one_note_in_memory(tmp_path: Path, name: str) -> None:
    """Peak memory while reading 100 notes of 100 kB is a few notes, not 10 MB."""
    note = "palabra" * 14_000

    def rows() -> Iterator[str]:
        for number in range(100):
            row = {"note_id": str(number), "text": note}
            yield json.dumps(row) + "\n" if "jsonl" in name else f'{number},"{note}"\n'

    path = tmp_path / f"a.{name}"
    with gzip.open(path, "wt", compresslevel=1) if name.endswith("gz") else open(path, "w") as file:
        file.write("" if "jsonl" in name else "note_id,text\n")
        file.writelines(rows())
    keys = {"id": "note_id", "text": "text"}
    settings = (
        jsonl.Params(format="jsonl", path=".", labels=[], fields=keys)
        if "jsonl" in name
        else table.Params(format="table", path=".", columns=keys)
    )
    tracemalloc.start()
    try:
        count = sum(1 for _ in Preparation(tmp_path, settings))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 100
    assert peak < 2_000_000


def test_reading_parquet_holds_one_row_group_in_memory(tmp_path: Path) -> None:
    """Arrow memory while reading 20 row groups of 1 MB that hardly compress."""
    with pq.ParquetWriter(
        tmp_path / "a.parquet", pa.schema([("id", pa.int64()), ("text", pa.string())])
    ) as file:
        for group in range(20):
            texts = [random.Random(100 * group + row).randbytes(5_000).hex() for row in range(100)]
            ids = range(100 * group, 100 * group + 100)
            file.write_table(pa.table({"id": pa.array(ids, pa.int64()), "text": texts}))
    settings = table.Params(format="table", path=".", columns={"id": "id", "text": "text"})
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in Preparation(tmp_path, settings)]
    assert len(held) == 2000
    assert max(held) < 5_000_000
