"""corpora_prepare: settings, note table, lineage, report, streaming, and complete outputs only."""

import gzip
import json
import os
import random
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.corpora.prepare import RawCorpus
from stages.runtime import lineage, params
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from tests.corpora.raw import SECRET, lay_out, raw_notes, read
from tests.graph import ROOT
from tests.runs import write_params

RENAME = {"PER": "NAME", "DAY": "DATE", "NOTE": None}
BRAT: dict[str, Any] = {"format": "brat", "labels": ["NAME", "DATE"], "rename": RENAME}
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
        ({}, {"train": "tr"}, "raw: not there"),
        ({"tr/a.txt": "x", "tr/a.ann": ""}, {"train": "tr", "test": "te"}, "te: no such file or folder"),
        ({"tr/readme.md": SECRET}, {"train": "tr"}, "tr: no file named *.txt, *.ann in this folder"),
    ],
)
def test_a_missing_or_empty_folder_is_an_error(
    tmp_path: Path, files: dict[str, str | bytes], parts: dict[str, str], expected: str
) -> None:
    with pytest.raises(UserError, match=re.escape(expected)):
        read(tmp_path, files, parts=parts, **BRAT)
    assert not (tmp_path / "out").exists()


def test_a_label_that_is_renamed_to_an_unknown_one_is_an_error(tmp_path: Path) -> None:
    expected = r"catalog\.invented\.raw\.rename: DATE, NAME is not among catalog\.invented\.labels"
    with pytest.raises(UserError, match=expected):
        read(tmp_path, FILES, path="te", format="brat", rename=RENAME)


def test_a_note_id_without_a_group_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"te/p2-1\.txt: group_pattern finds no group in the id of this note"):
        read(tmp_path, FILES, parts=PARTS, group_pattern="^p([01])", **BRAT)


def test_a_failure_leaves_the_earlier_output_as_it_was(tmp_path: Path) -> None:
    read(tmp_path, FILES, parts=PARTS, **BRAT)
    before = (tmp_path / "out" / "notes.parquet").read_bytes()
    with pytest.raises(UserError):
        read(tmp_path, {"te/p3-1.txt": "x"}, parts=PARTS, **BRAT)
    assert (tmp_path / "out" / "notes.parquet").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out", "params.yaml", "raw", "report.json"]


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    tables = []
    for name in ("a", "b"):
        read(tmp_path / name, FILES, parts=PARTS, **BRAT)
        tables.append([(tmp_path / name / "out" / file).read_bytes() for file in ("notes.parquet", "lineage.json")])
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("{format: brat, path: ., overlaping: error}", ".overlaping is not a known key; did you mean overlapping?"),
        (
            "{format: brat, path: ., overlapping: longest}",
            ".overlapping: Input should be 'error', 'keep_longest' or 'keep_first'",
        ),
        ("{format: brat, path: ., labels: [A]}", ".labels is not a known key; remove it"),
        ("{format: brat}", ": name either parts (an official split) or path"),
        ("{format: brat, path: ., parts: {train: x}}", ": name either parts (an official split) or path"),
        (
            "{format: brat, parts: {train: ../x}}",
            ".parts.train: ../x leaves the raw folder, so DVC would not notice a change",
        ),
        ("{format: brat, path: /x}", ".path: /x leaves the raw folder, so DVC would not notice a change"),
        (
            "{format: brat, path: ., group_pattern: '(a'}",
            ".group_pattern: not a regular expression (missing ), unterminated subpattern at position 0)",
        ),
        (
            "{format: brat, path: ., group_pattern: 'a'}",
            ".group_pattern: needs exactly one (group), such as ^(.*)-[0-9]+$",
        ),
        ("{format: bart, path: .}", ".format: bart is not one of brat, conll, i2b2, jsonl, table, text"),
        ("{format: text, rename: {}, path: .}", ".rename is not a known key; remove it"),
        (
            "{format: table, path: ., columns: {id: a, text: b, group: c}, group_pattern: (a)}",
            ": name either columns.group or group_pattern",
        ),
        (
            "{format: conll, path: ., separator: tab, columns: 1, documents: file}",
            ".columns: Input should be greater than or equal to 2",
        ),
        ("{path: .}", ".format: Field required"),
    ],
)
def test_a_wrong_setting_is_one_message_that_names_the_key(workdir: Path, raw: str, expected: str) -> None:
    Path("params.yaml").write_text(f"catalog: {{x: {{raw: {raw}}}}}")
    with pytest.raises(UserError) as caught:
        params.parse(RawCorpus, "catalog.x.raw", params.read())
    assert str(caught.value) == f"params.yaml: catalog.x.raw{expected}"


def test_the_demo_has_a_valid_entry() -> None:
    demo = params.parse(RawCorpus, "catalog.demo-es.raw", params.read(ROOT / "params.yaml")).root
    assert (demo.format, demo.parts) == ("brat", {"train": "train", "test": "test"})


def test_the_stage_says_what_it_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read(tmp_path, FILES, parts=PARTS, group_pattern=PATTERN, **BRAT)
    assert capsys.readouterr().out == "invented: 3 notes of 2 groups, 5 words, 3 spans of 2 labels\n"


def test_the_process_ends_with_one_message_and_an_exit_code(workdir: Path) -> None:
    lay_out(workdir, {**FILES, "te/p2-1.txt": SECRET, "te/p2-1.ann": f"T1\tPER 1 9\t{SECRET}\n"})
    raw = {"format": "brat", "parts": PARTS, "group_pattern": PATTERN, "rename": RENAME}
    write_params({"catalog": {"x": {"raw": raw, "labels": {"NAME": "person", "DATE": "date"}}}})
    command = "-m stages.corpora.prepare --corpus x --raw raw --out data/notes/x --report metrics/x.json"
    done = subprocess.run(
        [sys.executable, *command.split()],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
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
    assert [path.name for path in workdir.rglob("*") if path.is_file() and "raw" not in path.parts] == ["params.yaml"]


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
    raw = {"format": "jsonl", "fields": keys} if "jsonl" in name else {"format": "table", "columns": keys}
    notes = raw_notes(tmp_path, [], **raw)
    tracemalloc.start()
    try:
        count = sum(1 for _ in notes)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 100
    assert peak < 2_000_000


def test_reading_parquet_holds_one_row_group_in_memory(tmp_path: Path) -> None:
    """Arrow memory while reading 20 row groups of 1 MB that hardly compress."""
    with pq.ParquetWriter(tmp_path / "a.parquet", pa.schema([("id", pa.int64()), ("text", pa.string())])) as file:
        for group in range(20):
            texts = [random.Random(100 * group + row).randbytes(5_000).hex() for row in range(100)]
            ids = range(100 * group, 100 * group + 100)
            file.write_table(pa.table({"id": pa.array(ids, pa.int64()), "text": texts}))
    notes = raw_notes(tmp_path, [], format="table", columns={"id": "id", "text": "text"})
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in notes]
    assert len(held) == 2000
    assert max(held) < 5_000_000
