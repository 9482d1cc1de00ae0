import shutil
from pathlib import Path

import polars as pl
import pytest
import yaml

from scripts import ablation, study
from stages.runtime.errors import UserError
from tests import graph

AXIS = {
    "title": "How much is read",
    "x": "share (%)",
    "with": {"ner.compare.reference": "real"},
    "points": {0: {"corpora.share.generator": 0.0}, 50: {"corpora.share.generator": 0.5}},
    "budgets": {"equal steps": {}, "2 epochs": {"ner.train.steps": None, "ner.train.epochs": 2}},
    "paper": {0: 0.3, 95: 0.9},
    "plain": 0,
}
# The F1 that the stub reports says what it was run with; a share of 0.25 fails.
STUB = """
import pathlib, yaml
from stages.notes import note_table
from stages.notes.note_table import Note, Span
settings = yaml.safe_load(open("params.yaml"))
share, train = settings["corpora"]["share"]["generator"], settings["ner"]["train"]
assert share != 0.25
f1 = round(share / 2 + (train["epochs"] or 0) / 100, 6)
folder = pathlib.Path("metrics/ner/compare/own")
folder.mkdir(parents=True, exist_ok=True)
(folder / "arms.csv").write_text(
    "corpus,arm,strict_f1,strict_f1_low,strict_f1_high,token_f1,blind_recall,words,steps,runs\\n"
    f"own,synthetic,{f1},{f1 - 0.01},{f1 + 0.02},0.5,0.75,1000,10,1\\n"
)
(folder / "curves.csv").write_text(
    "corpus,arm,fold,seed,step,train_loss,select_f1\\n"
    f"own,synthetic,0,1,5,1.0,0.1\\nown,synthetic,0,1,10,0.5,{f1 / 2}\\n"
)
# Of 40 names a share of 0 finds every second one, a share of 0.5 three of four.
found = {0: (0, 2), 0.5: (0, 1, 2)}.get(share, ())
for name, kept in (("corpora/split/own/0/test", (0, 1, 2, 3)), ("predictions/synthetic/own/0/1", found)):
    named = [
        Note(f"n{i}", f"n{i}", "Anna was here", (Span(0, 4, "NAME"),) if i % 4 in kept else ()) for i in range(40)
    ]
    note_table.write(pathlib.Path("data", name), named)
"""
STAGE = {
    "cmd": "python compare.py",
    "deps": ["compare.py"],
    "params": ["corpora.share", "ner"],
    "outs": [
        *({f"metrics/ner/compare/own/{name}.csv": {"cache": False}} for name in ("arms", "curves")),
        *(
            {f"data/{name}": {"remote": "vault"}}
            for name in ("corpora/split/own/0/test", "predictions/synthetic/own/0/1")
        ),
    ],
}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A clone whose pipeline is one stub, with an axis and a profile of its own."""
    folder = graph.clone(tmp_path / "main")
    shutil.rmtree(folder / "results")
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"ner_compare": STAGE}}))
    (folder / "compare.py").write_text(STUB)
    (folder / "profiles/own.yaml").write_text(yaml.safe_dump({"corpora": {"share": {"annotator": 0.5}}}))
    (folder / "profiles/ablations/own.yaml").write_text(yaml.safe_dump(AXIS, sort_keys=False))
    graph.commit(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["ablation", "own", "--profile", "own"])
    monkeypatch.setenv("PATH", graph.environment()["PATH"])
    for name in ("MLFLOW_TRACKING_URI", "DEIDSYNTH_TRACKING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(study, "check", lambda project: None)
    return folder


def read(project: Path) -> list[tuple]:
    table = pl.read_csv(project / "results/ablations/own/own/points.csv")
    return table.select("budget", "x", "status", "arm", "strict_f1").rows()


@pytest.mark.slow
def test_a_sweep_is_run_collected_and_drawn(project):
    from mlflow import MlflowClient

    ablation.main()
    assert read(project) == [
        ("equal steps", 0.0, "done", "synthetic", 0.0),
        ("equal steps", 50.0, "done", "synthetic", 0.25),
        ("2 epochs", 0.0, "done", "synthetic", 0.02),
        ("2 epochs", 50.0, "done", "synthetic", 0.27),
    ]
    results = project / "results/ablations/own/own"
    record = graph.load_json(results / "study.json")
    assert record["commit"] == graph.run(project, "git", "rev-parse", "HEAD").stdout.strip()
    assert record["missing"] == []
    assert yaml.safe_load((results / "params.yaml").read_text())["corpora"]["share"]["annotator"] == 0.5
    picture = (results / "curve.svg").read_text()
    assert "<svg" in picture and str(project) not in picture
    graph.run(project, "dvc", "plots", "show", "--out", "shown")
    [shown] = (project / "shown/static").iterdir()
    assert shown.read_text() == picture

    # Three of four names instead of two: F1 6/7 instead of 2/3; and no plain point beats itself.
    table = pl.read_csv(results / "points.csv").filter(budget="equal steps")
    assert table["select_f1"].to_list() == pytest.approx([0, 0.125])
    assert table["gain"].to_list() == [None, pytest.approx(6 / 7 - 2 / 3, abs=1e-6)]
    [low] = table["gain_low"].drop_nulls()
    assert 0.05 < low < 6 / 7 - 2 / 3
    assert table["gain_p"].to_list() == [None, None]  # one seed says nothing about the noise of training

    # One run per curve in the checkout's store, a point per step.
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("ablation/own").experiment_id])
    curves = {
        run.data.tags["budget"]: [
            (m.step, m.value) for m in client.get_metric_history(run.info.run_id, "own/strict_f1")
        ]
        for run in runs
    }
    assert curves == {"equal steps": [(0, 0.0), (50, 0.25)], "2 epochs": [(0, 0.02), (50, 0.27)]}
    # The checkout is as it was.
    changed = graph.run(project, "git", "status", "--porcelain", "--untracked-files=no").stdout
    assert changed == ""

    # A failed point stands there as missing; the others are not run again.
    file = project / "profiles/ablations/own.yaml"
    more = AXIS | {"points": {**AXIS["points"], 25: {"corpora.share.generator": 0.25}}}
    file.write_text(yaml.safe_dump(more, sort_keys=False))
    with pytest.raises(UserError, match="missing: own-25-equal-steps, own-25-2-epochs"):
        ablation.main()
    assert [row[:4] for row in read(project) if row[1] == 25] == [
        ("equal steps", 25.0, "missing", None),
        ("2 epochs", 25.0, "missing", None),
    ]
    assert len([row for row in read(project) if row[2] == "done"]) == 4
    assert (results / "curve.svg").read_text() != picture


def test_an_unknown_axis_names_those_there_are(workdir):
    ablation.AXES.mkdir(parents=True)
    (ablation.AXES / "volume.yaml").write_text(yaml.safe_dump(AXIS))
    with pytest.raises(UserError, match=r"volum\.yaml: no such axis; there are volume"):
        ablation.load("volum")
    (ablation.AXES / "volume.yaml").write_text(yaml.safe_dump({**AXIS, "budget": {}}))
    with pytest.raises(UserError, match=r"axis\.budget is not a known key; did you mean budgets"):
        ablation.load("volume")


def test_a_plain_point_is_one_of_the_points(workdir):
    ablation.AXES.mkdir(parents=True)
    (ablation.AXES / "volume.yaml").write_text(yaml.safe_dump(AXIS | {"plain": 10}))
    with pytest.raises(UserError, match="plain is 10, which is none of the points"):
        ablation.load("volume")


def test_every_axis_names_keys_of_params_and_names_that_git_takes():
    settings = study.overlaid(yaml.safe_load(Path("params.yaml").read_text()), "meddocan-ablation")
    names = []
    for file in ablation.AXES.glob("*.yaml"):
        axis = ablation.load(file.stem)
        assert len(axis.points) >= (3 if file.stem in ("adaptation", "annotator", "volume", "size") else 2)
        for point in ablation.points(file.stem, axis):
            names.append(point.name)
            for key in point.settings:
                value = settings
                for part in key.split("."):
                    value = value[part]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalnum() for name in names)
