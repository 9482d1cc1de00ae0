import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stages.lm import models
from stages.ner.examples import tokenise
from stages.ner.fitting import Train
from stages.ner.tagger import SETTINGS, Tagger
from stages.ner.train import train
from stages.notes import tags
from stages.notes.note_table import Note
from stages.runtime import lineage, params
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.outputs import read_json
from stages.scoring import counting, scores
from tests import graph
from tests.graph import ROOT
from tests.ner.conftest import LEARNED, SECTION, SELECT, table
from tests.runs import run, write_params

OUT, METRICS = "data/models/ner/real/demo/0/1", "metrics/ner/train/real/demo/0/1.json"


@pytest.fixture
def stage(modernbert, workdir, monkeypatch):
    """Run the stage with changes to its settings."""
    table(Path("train"), "train", LEARNED)
    table(Path("select"), "select", SELECT)
    monkeypatch.setenv("DEIDSYNTH_DEVICE", "cpu")

    def run_stage(base=modernbert, **changes):
        write_params({"ner": {"train": SECTION | changes}})
        cell = {"corpus": "demo", "arm": "real", "fold": 0, "seed": 1}
        run(train, **cell, base=base, notes="train", select="select", out=OUT, metrics=METRICS)

    return run_stage


@pytest.mark.slow
def test_a_trivial_task_is_learnt_and_recorded(stage, modernbert, tmp_path):
    stage()
    counts = counting.count(zip(SELECT, Tagger.load(OUT).tag(SELECT), strict=True))
    f1 = float(scores.strict_f1(counts.total()))
    assert f1 > 0.9
    encoded = [tags.encode(note.spans, tags.word_offsets(note.text)) for note in LEARNED]
    assert read_json(f"{OUT}/{SETTINGS}") == {"length": 48, "overlap": 16, "adjacent": tags.adjacency(encoded)}
    result = read_json(METRICS)
    curve = result.pop("curve")
    assert [row["step"] for row in curve] == [15, 30, 45]
    assert curve[-1]["select_f1"] == pytest.approx(f1, abs=1e-6)
    assert curve[-1]["train_loss"] < curve[0]["train_loss"]
    names = tags.tag_names(["AGE", "NAME"])
    examples = tokenise(LEARNED, models.load_tokenizer(OUT), names, 48, 16, tmp_path / "tokens")
    assert result == {
        "steps": 45,
        "epochs": round(45 * 8 / len(examples), 3),
        "notes": 40,
        "words": sum(len(note.text.split()) for note in LEARNED),
        "spans": 120,
        "windows": len(examples),
        "labels": ["B-AGE", "B-NAME"],
        "ceiling": 1.0,
    }
    # Nothing is chosen on the select notes, so the model has not read them.
    assert lineage.read(OUT) == {*lineage.read(modernbert), Read("demo/0/train", "real", "gradient")}
    assert len(lineage.read(OUT)) == 3


@pytest.mark.slow
def test_a_cell_starts_from_the_pretrained_encoder_of_its_fold_and_seed(stage, modernbert):
    fold, seed = Path(OUT).parts[-2:]
    for place, origin in (((fold, seed), "own"), ((fold, "7"), "other"), (("9", seed), "other")):
        shutil.copytree(modernbert, Path("pretrained", *place))
        lineage.write(Path("pretrained", *place), [Read(origin, "public", "gradient")])
    stage("pretrained", steps=1, probes=1)
    assert Read("own", "public", "gradient") in lineage.read(OUT)
    assert Read("other", "public", "gradient") not in lineage.read(OUT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 10, "epochs": 2.0}, "either steps"),
        ({"steps": None, "epochs": None}, "either steps"),
        ({"length": 32, "overlap": 17}, "overlap must be at most half"),
    ],
)
def test_settings_that_contradict_each_other(stage, changes, message):
    with pytest.raises(UserError, match=rf"params\.yaml: ner\.train.*{message}"):
        stage(**changes)


def test_the_sections_of_the_project_are_valid():
    assert params.parse(Train, Train.at, params.read(ROOT / "params.yaml"))


@pytest.mark.slow
def test_epochs_are_passes_over_the_windows(stage):
    stage(steps=None, epochs=0.5, unit="piece")
    result = read_json(METRICS)
    assert result["steps"] == round(0.5 * result["windows"] / 8)
    assert result["windows"] > 40 == result["notes"]


def test_notes_without_tags(stage):
    table(Path("train"), "train", [Note("n", "g", "Sin datos.")])
    with pytest.raises(UserError, match="train: none of the notes is tagged"):
        stage()
    assert not Path(OUT).exists() and not Path(METRICS).exists()


def test_no_notes_at_all(stage):
    table(Path("train"), "train", [])
    with pytest.raises(UserError, match="train: no notes to train on"):
        stage()


def test_windows_longer_than_the_encoder_reads(stage):
    with pytest.raises(UserError, match=r"ner\.train\.length is 257; .* reads at most 256"):
        stage(length=257)


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one_and_only_the_first_writes(stage, modernbert, workdir):
    changes = {"steps": 6, "probes": 1, "hidden": 0.2}
    stage(**changes)
    alone = load_file(f"{OUT}/model.safetensors")
    words = f"--corpus demo --arm real --fold 0 --seed 1 --base {modernbert} --notes train --select select"
    command = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "stages.ner.train", *words.split()]
    away = {"PYTHONPATH": str(ROOT), "DEIDSYNTH_DEVICE": "cpu", "DEIDSYNTH_TRACKING": "off", "OMP_NUM_THREADS": "1"}
    done = graph.run(workdir, sys.executable, *command, "--out", "two", "--metrics", "two.json", **away)
    assert done.stdout.count("strict F1 on the select notes") == 1
    together = load_file("two/model.safetensors")
    assert together.keys() == alone.keys()
    for name, weight in alone.items():
        torch.testing.assert_close(together[name], weight, rtol=1e-3, atol=1e-5)
    assert read_json("two.json")["steps"] == 6
    left = {path.name for path in workdir.iterdir()}
    assert left == {"data", "metrics", "params.yaml", "select", "train", "two", "two.json"}
    assert list(Path("data/.scratch").rglob("*.arrow")) == []
