import json
from pathlib import Path

import pytest

from stages.notes import note_table
from stages.notes.note_table import Span
from stages.pretraining import classification
from stages.pretraining.probe import probe
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.outputs import read_json
from tests import tiny
from tests.ner.conftest import make_encoder
from tests.ner.test_train import LEARNED, SECTION, SELECT, table
from tests.runs import run, write_params

FINE = {
    "length": 64, "epochs": 20.0, "batch": 4, "optimizer": "adamw", "learning_rate": 5e-3, "schedule": "linear",
    "warmup": 0.1, "weight_decay": 0.0, "precision": "fp32",
}  # fmt: skip
TASKS = {
    "names": {"kind": "ner", "corpus": "demo", "train": SECTION | {"steps": 60}},
    "complaints": {"kind": "text", "folder": "complaints", "train": FINE},
}


@pytest.fixture
def project(workdir, monkeypatch) -> Path:
    """A pretrained encoder, a tagged corpus, and texts whose class is the complaint that they name."""
    make_encoder(workdir / "encoder", "modernbert")
    lineage.write(workdir / "encoder", [Read("demo/0/train", "rewritten-real", "gradient")])
    for role, of in {"train": LEARNED, "select": SELECT, "test": SELECT}.items():
        table(workdir / "split/demo/0" / role, role, of)
    folder = workdir / "tasks/complaints"
    folder.mkdir(parents=True)
    for part, numbers in {"train": range(48), "test": range(48, 60)}.items():
        rows = [
            {"id": f"{part}{i}", "text": tiny.texts(60)[i], "label": tiny.COMPLAINTS[i % 2]}
            for i in numbers
            if i % 6 < 2
        ]
        (folder / f"{part}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    write_params({"pretraining": {"probe": {"tasks": TASKS}}})
    monkeypatch.setenv("DEIDSYNTH_DEVICE", "cpu")
    return workdir


def score(task: str, fold: int = 0) -> tuple[Path, dict]:
    cell = {"task": task, "mixture": "real", "corpus": "demo", "fold": fold, "seed": 1}
    run(probe, **cell, encoder="encoder", split="split", tasks="tasks", out="out", metrics="m.json")
    return Path("out"), read_json("m.json")


@pytest.mark.slow
def test_a_tagging_task_is_learnt_and_scored(project):
    out, metrics = score("names")
    assert metrics["score"] > 0.9
    assert (metrics["steps"], metrics["test"], metrics["notes"]) == (60, len(SELECT), len(LEARNED))
    gold, predicted = (list(note_table.read(out / name)) for name in ("gold", "predicted"))
    assert gold == SELECT
    assert [note.text for note in predicted] == [note.text for note in SELECT]
    assert not list(project.glob("data/.scratch/pretraining/probe/*"))


@pytest.mark.slow
def test_a_class_is_learnt_and_scored(project):
    out, metrics = score("complaints")
    assert (metrics["score"], metrics["macro"], metrics["test"]) == (1.0, 1.0, 4)
    for note in note_table.read(out / "predicted"):
        (span,) = note.spans
        assert (span.start, span.end) == (0, len(note.text))
        assert span.label in note.text
        assert 0.5 < span.score <= 1


@pytest.mark.slow
def test_a_wrong_class_counts(project):
    path = project / "tasks/complaints/test.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["label"] = tiny.COMPLAINTS[1]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert score("complaints")[1]["score"] == 0.75


@pytest.mark.slow
def test_what_was_trained_on_and_scored_on_is_recorded(project):
    out, _ = score("names")
    reads = lineage.read(out)
    assert {Read("demo/0/test", "real", "content"), Read("demo/0/train", "rewritten-real", "tags")} <= reads
    out, _ = score("complaints")
    assert Read("task:complaints", "real", "content") in lineage.read(out)


def test_two_texts_are_told_apart_from_one(project):
    from stages.lm import models

    path = project / "tasks/pairs.jsonl"
    path.write_text(json.dumps({"id": "1", "text": "tos seca", "pair": "fiebre alta", "label": "no", "group": "g"}))
    (example,) = classification.read(path)
    assert (example.group_id, example.spans) == ("g", (Span(0, 20, "no"),))
    tokenizer = models.load_tokenizer("encoder")
    assert classification.encode([example], tokenizer, 64) == [tokenizer("tos seca", "fiebre alta")["input_ids"]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"train\.jsonl:2: not valid JSON"),
        ('{"id": "a", "text": "x"}', r"train\.jsonl:2: expected"),
        ('{"id": "a", "text": "", "label": "b"}', r"train\.jsonl:2: expected"),
        ('["id"]', r"train\.jsonl:2: not a JSON object"),
        ('{"id": "first", "text": "x", "label": "b"}', r"train\.jsonl:2: an earlier line has the same id"),
    ],
)
def test_a_line_that_is_no_example(project, line, message):
    first = json.dumps({"id": "first", "text": "x", "label": "a"})
    (project / "tasks/complaints/train.jsonl").write_text(f"{first}\n{line}")
    with pytest.raises(UserError, match=message):
        score("complaints")
    assert not Path("out").exists() or not list(Path("out").rglob("*.parquet"))


def test_what_is_not_there(project):
    (project / "tasks/complaints/test.jsonl").unlink()
    with pytest.raises(UserError, match=r"test\.jsonl: not there"):
        score("complaints")
    with pytest.raises(UserError, match=r"grid\.corpora and have that fold"):
        score("names", fold=3)
