"""The whole pipeline with real stages at toy size, as a user runs it, and what happens when they make a mistake."""

import shutil
from pathlib import Path

import pytest
import yaml

from scripts import check_params
from stages.runtime import lineage
from tests import graph
from tests.toy import CORPUS, Toy

pytestmark = pytest.mark.slow

ARMS = ["real", "synthetic", "mixed"]


@pytest.fixture
def params(toy: Toy):
    """The toy's params.yaml as a dict to change and write; put back afterwards."""
    file = toy.project / "params.yaml"
    before = file.read_text()
    yield yaml.safe_load(before)
    file.write_text(before)


def write(toy: Toy, params: dict) -> None:
    (toy.project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def test_every_output_is_there(toy):
    stages = {stage.split("_")[0] for stage in graph.pipeline()["stages"]}
    assert stages == {"demo", "models", "corpora", "synthesis", "ner", "pretraining", "release"}
    # The gate on the toy's notes fails and is let through, so nothing may be packaged.
    assert graph.ran(toy.output) == set(graph.pipeline()["stages"]) - {"release_package"}
    status = toy.run("dvc", "status").stdout
    assert "up to date" in status


def test_every_private_folder_says_what_it_has_read(toy):
    lock = yaml.safe_load((toy.project / "dvc.lock").read_text())
    outs = [out["path"] for stage in lock["stages"].values() for out in stage["outs"]]
    private = [out for out in outs if out.startswith("data/") and not out.startswith("data/raw")]
    assert len(private) > 20
    assert [out for out in private if not (toy.project / out / "lineage.json").is_file()] == []


def test_lineage_proves_the_roles(toy):
    """Only scoring reads test notes, nothing reads audit notes, and select and prompts serve their purpose only."""
    records = {
        path.parent.relative_to(toy.project / "data").as_posix(): lineage.read(path.parent)
        for path in (toy.project / "data").rglob(lineage.FILE)
        if ".scratch" not in path.parts
    }
    hows = {
        "test": {"content"},
        "audit": {"content"},
        "select": {"content", "selection"},
        "prompts": {"content", "prompts"},
    }
    for folder, reads in records.items():
        for read in reads:
            role = read.notes.rpartition("/")[2]
            if role not in hows:
                continue
            assert read.how in hows[role], (folder, read)
            if read.how == "content":
                scores = ("predictions/", "pretraining/losses/", "pretraining/probe/", "release/errors/")
                scored = folder.startswith(scores)
                assert scored or folder == f"corpora/split/{read.notes}", (folder, read)
    models = {arm: records[f"models/ner/{arm}/{CORPUS}/0/1"] for arm in (*ARMS, "ensemble", "selftrained")}
    barred = {arm: {read.notes for read in lineage.bars_release(reads)} for arm, reads in models.items()}
    train = f"{CORPUS}/0/train"
    shares = {name: {f"{train}@1"} for name in ("ensemble", "selftrained")}
    assert barred == {"real": {train}, "synthetic": set(), "mixed": {train}} | shares
    assert {(read.origin, read.how) for read in models["synthetic"] if read.notes.startswith(train)} == {
        ("real", "generator"),
        # Copies of real notes are left out.
        ("real", "selection"),
        ("real", "tags"),
    }


def test_the_comparison_lists_all_arms(toy):
    compared = toy.project / "metrics/ner/compare" / CORPUS
    assert all(arm in (compared / "arms.csv").read_text() for arm in ARMS)
    summary = (compared / "summary.json").read_text()
    assert all(arm in summary for arm in ARMS)


def test_mlflow_holds_one_comparable_run_per_arm(toy):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{toy.project}/mlflow.db")
    shown = {
        "ner/train": {"loss", "select_f1"},
        "ner/evaluate": {"strict_f1", "strict_recall", "token_f1", "blind_recall", "clean_notes"},
        "ner/compare": {"1 test/strict_f1", "1 test/strict_recall", "1 test/clean_notes", "3 training/select_f1"},
    }
    for name in shown:
        runs = client.search_runs([client.get_experiment_by_name(name).experiment_id])
        assert sorted(run.data.tags["arm"] for run in runs) == sorted(ARMS), name
        for run in runs:
            assert run.info.status == "FINISHED"
            assert {run.data.tags[key] for key in ("corpus", "fold", "seed")} == {CORPUS, "0", "1"}
        # Side by side in the UI, every arm has these.
        assert [shown[name] - set(run.data.metrics) for run in runs] == [set()] * len(ARMS), name
    assert not (toy.project / "mlruns").exists()


def test_a_second_run_finds_nothing_to_do(toy):
    assert graph.ran(toy.run("dvc", "repro").stdout) == set()


def test_an_experiment_runs_only_what_it_changes(toy):
    """In a temporary copy, as queued experiments do."""
    done = toy.run("dvc", "exp", "run", "--temp", "-S", "ner.compare.bootstrap.samples=107")
    assert graph.ran(done.stdout) == {"ner_compare", "release_report"}, done.stdout[-2000:]


def test_a_package_is_refused_where_a_gate_has_failed(toy, params):
    params["grid"]["packaged"] = ["synthetic"]
    write(toy, params)
    done = toy.run("dvc", "repro", "release_package", check=False)
    assert done.returncode != 0
    assert "0/1.passed: failed, and let through by params" in done.stderr
    assert not (toy.project / "data/release/package").exists() or not any(
        (toy.project / "data/release/package").rglob("model")
    )


def mistake(toy: Toy, stage: str) -> str:
    """The single line that a stage's error prints, after which nothing has changed."""
    cell = next(cell for cell in check_params.cells(toy.project) if cell.name.startswith(stage))
    before = contents(toy.project)
    done = toy.run("sh", "-c", cell.command, check=False)
    assert done.returncode == 1
    assert contents(toy.project) == before
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


def contents(project: Path) -> set[tuple[str, int]]:
    """Files of the outputs with their times, half-written ones included."""
    return {
        (str(path), path.stat().st_mtime_ns)
        for top in ("data", "metrics")
        for path in (project / top).rglob("*")
        if path.is_file() and ".site-cache" not in path.parts
    }


def test_a_misspelt_parameter(toy, params):
    params["synthesis"]["generate"]["temprature"] = 1.0
    write(toy, params)
    message = mistake(toy, "synthesis_generate")
    assert "params.yaml: synthesis.generate.temprature is not a known key; did you mean temperature?" in message


def test_a_missing_base_model(toy):
    folder = toy.project / f"data/models/base/encoder/{CORPUS}"
    away = folder.rename(folder.with_name("away"))
    try:
        assert f"data/models/base/encoder/{CORPUS}" in mistake(toy, "ner_train@real")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        away.rename(folder)


def test_a_hub_name_without_network(toy, params):
    params["catalog"][CORPUS]["encoder"] = {"source": "hub", "name": "someone/encoder", "revision": "a" * 40}
    write(toy, params)
    before = toy.connections.read_text() if toy.connections.exists() else ""
    try:
        message = mistake(toy, f"models_base@{CORPUS}-encoder")
    finally:
        # The one stage that may try: the run as a whole must not.
        toy.connections.write_text(before)
    assert "someone/encoder" in message
    assert "source: folder" in message


def test_a_study_of_an_unknown_key_stops_before_it_starts(toy):
    (toy.project / "profiles" / "odd.yaml").write_text("ner: {train: {epoch: 3}}\n")
    done = toy.run("python", "-m", "scripts.study", "odd", check=False)
    assert done.returncode == 1
    assert "ner.train.epoch is not a known key" in done.stderr
    assert not (toy.project / "results" / "odd").exists()
