import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from stages.runtime import mlflow_store, tracking
from stages.runtime.errors import UserError
from stages.runtime.params import Section
from tests.graph import ROOT, environment

# A stage that has not loaded MLflow: its numbers are written by a second process.
START = """
import os, sys
from stages.runtime.tracking import track
with track("ner/train", sys.argv[1], {"lr": 1}) as run:
    run.log({"loss": 0.5}, step=3)
    assert "mlflow" not in sys.modules
    exec(sys.argv[2])
"""


class Inner(Section):
    rate: float = 0.5


class Settings(Section):
    steps: int = 3
    optimiser: Inner = Inner()


def only_run(store: str, experiment: str = "ner/train"):
    client = MlflowClient(store)
    (run,) = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return client, run


def test_a_run_holds_cell_params_tags_and_metrics(store, workdir):
    Path("dvc.lock").write_text("stages:\n  a:\n    outs:\n    - path: data/x\n      md5: abc.dir\n")
    tags = {"corpus": "demo-es", "arm": "real", "fold": 0, "seed": 1}
    with tracking.track("ner/train", "real-demo-es-0-1", Settings(), tags, inputs=["data/x", "data/y"]) as run:
        run.log({"loss": 2.0}, step=1)
        run.log({"loss": 1.0, "label": {"NAME (X)": {"f1": 0.75}}, "none": None}, step=2)
    client, run = only_run(store)
    assert run.info.run_name == "real-demo-es-0-1"
    assert run.info.status == "FINISHED"
    assert run.data.params == {"steps": "3", "optimiser.rate": "0.5"}
    assert run.data.metrics == {"loss": 1.0, "label/NAME _X_/f1": 0.75}
    assert [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "loss")] == [(1, 2.0), (2, 1.0)]
    expected = {"corpus": "demo-es", "arm": "real", "fold": "0", "seed": "1", "input.data/x": "abc.dir"}
    assert expected.items() <= run.data.tags.items()
    assert "input.data/y" not in run.data.tags


def test_dvc_and_git_are_tagged(store, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("DVC_STAGE", "ner_train@real-demo-es-0-1")
    monkeypatch.setenv("DVC_EXP_NAME", "brave-bee")
    with tracking.track("ner/train", "c", {}):
        pass
    _, run = only_run(store)
    assert run.data.tags["dvc.stage"] == "ner_train@real-demo-es-0-1"
    assert run.data.tags["dvc.exp"] == "brave-bee"
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    assert run.data.tags["mlflow.source.git.commit"] == head
    assert run.data.tags["git.dirty"] in ("yes", "no")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_crash_shows_as_failed(store, error):
    with pytest.raises(error), tracking.track("ner/train", "c", {}):
        raise error
    assert only_run(store)[1].info.status == "FAILED"


def test_a_killed_run_is_marked_when_its_cell_starts_again(store):
    client = MlflowClient(store)
    experiment = client.create_experiment("ner/train")
    killed = subprocess.Popen(["true"])
    killed.wait()
    host = os.uname().nodename
    for cell, process, machine in [
        ("cell", killed.pid, host),
        ("cell", killed.pid, "elsewhere"),
        ("cell", os.getpid(), host),
        ("other", killed.pid, host),
    ]:
        tags = {"mlflow.runName": cell, "cell": cell, "pid": str(process), "host": machine}
        client.create_run(experiment, tags=tags)
    with tracking.track("ner/train", "cell", {}):
        pass
    assert sorted((run.info.status, run.info.run_name) for run in client.search_runs([experiment])) == [
        ("FINISHED", "cell"),
        ("KILLED", "cell"),
        ("RUNNING", "cell"),
        ("RUNNING", "cell"),
        ("RUNNING", "other"),
    ]


def test_artifacts_lie_beside_the_database_and_are_reports_only(store, workdir):
    Path("metrics").mkdir()
    Path("metrics/report.json").write_text("{}")
    with tracking.track("ner/compare", "c", {}) as run:
        run.artifact("metrics/report.json")
        for refused in ("data/report.json", str(workdir / "data" / "x.json"), "metrics/notes.parquet", "a.txt"):
            with pytest.raises(ValueError, match="only reports"):
                run.artifact(refused)
    client, found = only_run(store, "ner/compare")
    assert found.info.artifact_uri.startswith((workdir / "mlartifacts" / "ner" / "compare").as_uri())
    assert [file.path for file in client.list_artifacts(found.info.run_id)] == ["report.json"]


@pytest.mark.parametrize("value", ["Anna", float("nan"), float("inf")])
def test_only_finite_numbers_are_metrics(store, value):
    with tracking.track("ner/train", "c", {}) as run, pytest.raises((TypeError, ValueError)):
        run.log({"loss": value})


def test_switched_off_keeps_nothing(workdir):
    with tracking.track("ner/train", "c", {}) as run:
        run.log({"loss": 1.0})
    assert list(workdir.iterdir()) == []


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "mlruns", "file:///tmp/mlruns"])
def test_an_address_that_depends_on_the_folder_is_refused(monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(UserError, match=r"sqlite:////absolute/path/mlflow\.db"):
        mlflow_store.tracking_uri()


def test_default_store_is_in_the_main_checkout(monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert mlflow_store.tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"


@pytest.mark.slow
def test_first_use_by_three_stages_at_once(tmp_path):
    ends = {"done": "", "crashed": "raise ValueError", "killed": "os.kill(os.getpid(), 9)"}
    settings = environment(DVC_ROOT=str(tmp_path), DEIDSYNTH_TRACKING="")
    started = [
        subprocess.Popen([sys.executable, "-c", START, *end], cwd=ROOT, env=settings, stderr=subprocess.DEVNULL)
        for end in ends.items()
    ]
    assert [process.wait() for process in started] == [0, 1, -9]
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")

    def found():
        experiment = client.get_experiment_by_name("ner/train")
        return client.search_runs([experiment.experiment_id]) if experiment else []

    # The logger of a killed stage outlives it.
    deadline = time.monotonic() + 60
    while sum(run.info.status != "RUNNING" for run in found()) < 3 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert {run.info.run_name: run.info.status for run in found()} == {
        "done": "FINISHED",
        "crashed": "FAILED",
        "killed": "KILLED",
    }
    for run in found():
        assert (run.data.params, run.data.metrics) == ({"lr": "1"}, {"loss": 0.5})
        assert [point.step for point in client.get_metric_history(run.info.run_id, "loss")] == [3]


@pytest.mark.slow
def test_a_store_that_cannot_be_written_fails_the_stage(tmp_path):
    (tmp_path / "mlflow.db").write_text("no database")
    settings = environment(DVC_ROOT=str(tmp_path), DEIDSYNTH_TRACKING="")
    done = subprocess.run(
        [sys.executable, "-c", START, "cell", ""], cwd=ROOT, env=settings, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "MLflow could not log this run" in done.stderr


def test_a_replacing_run_takes_the_place_of_its_cell_in_the_same_experiment(store, monkeypatch):
    def names_and_experiments() -> list[tuple[str, str | None]]:
        client = MlflowClient(store)
        runs = client.search_runs([client.get_experiment_by_name("ner/compare").experiment_id])
        return sorted((run.info.run_name, run.data.tags.get("dvc.exp", "")) for run in runs)

    # No second process is started for any of them, even if MLflow has not been imported.
    monkeypatch.setattr(tracking, "_second_process", None)
    monkeypatch.setattr(tracking, "sys", SimpleNamespace(modules={"__main__": sys.modules["__main__"]}))
    for _ in range(2):
        for cell in ("real", "mixed"):
            with tracking.track("ner/compare", cell, {}, replace=True):
                pass
    assert names_and_experiments() == [("mixed", ""), ("real", "")]
    monkeypatch.setenv("DVC_EXP_NAME", "brave-bee")
    with tracking.track("ner/compare", "real", {}, replace=True):
        pass
    assert names_and_experiments() == [("mixed", ""), ("real", ""), ("real", "brave-bee")]
    with pytest.raises(ValueError), tracking.track("ner/compare", "mixed", {}, replace=True):
        raise ValueError
    assert names_and_experiments().count(("mixed", "")) == 1
