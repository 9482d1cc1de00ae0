from pathlib import Path

import pytest
import yaml

from scripts import sections, study
from stages.shared.errors import UserError
from tests import graph

PROFILE = {
    "grid": {"demos": [], "corpora": ["own"], "synthesized": ["own"]},
    "corpora": {
        "own": {"raw": {"format": "text"}, "encoder": {"source": "hub"}, "decoder": {"source": "hub"}}
    },
}
CELLS = ("corpora_prepare@own", "corpora_check@own", "corpora_split@own-0", "corpora_share@own-0-1")


def test_mappings_merge_and_everything_else_replaces():
    base = {"a": {"b": 1, "c": [1, 2], "d": {"e": 3}}, "f": 4, "g": {}}
    overlay = {"a": {"c": [9], "d": None, "new": {"x": 1}}, "f": 5, "g": {"h": 1}}
    assert study.merged(base, overlay) == {
        "a": {"b": 1, "c": [9], "d": None, "new": {"x": 1}},
        "f": 5,
        "g": {"h": 1},
    }
    assert base["a"]["c"] == [1, 2]


def test_a_value_in_place_of_a_section_is_refused():
    with pytest.raises(UserError, match=r"profiles/x\.yaml: ner: train is a section"):
        study.merged({"ner": {"train": {"steps": 1}}}, {"ner": {"train": 3}}, "profiles/x.yaml")


def test_an_unknown_profile_names_those_there_are(workdir, monkeypatch):
    Path("profiles").mkdir()
    Path("profiles/small.yaml").write_text("grid: {}")
    monkeypatch.setattr("sys.argv", ["study", "smal"])
    with pytest.raises(UserError, match=r"profiles/smal\.yaml: no such profile; there are small"):
        study.main()


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A clone with stub commands, a corpus of its own that only DVC knows, and a profile; stages fail as told."""
    folder = graph.stub(graph.clone(tmp_path / "main"))
    pipeline = yaml.safe_load((folder / "dvc.yaml").read_text())
    stages = {name: stage for name, stage in pipeline["stages"].items() if name.startswith("corpora_")}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (folder / "profiles" / "own.yaml").write_text(yaml.safe_dump(PROFILE))
    (folder / "fail").write_text("data/ner/annotator")
    graph.commit(folder)
    (folder / "data/raw/own").mkdir(parents=True)
    (folder / "data/raw/own/note.txt").write_text("invented")
    graph.run(folder, "dvc", "add", "--quiet", "data/raw/own")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["study", "own"])
    monkeypatch.setenv("PATH", graph.environment()["PATH"])
    # Stub commands load no params; tests/test_pipeline.py checks the real profiles.
    monkeypatch.setattr(study, "check", lambda project: None)
    return folder


@pytest.mark.slow
def test_a_study_records_what_finished_and_continues(project, capfd):
    with pytest.raises(UserError, match=r"stopped at corpora_share@own-0-1.*make study PROFILE=own"):
        study.main()
    results, worktree = project / "results/own", project / "data/.studies/own"
    recorded = graph.load_json(results / "study.json")
    assert not recorded["complete"]
    assert set(recorded["seconds"]) == {*CELLS} - {"corpora_share@own-0-1"}
    assert (results / "metrics/corpora/split/own/0.json").is_file()

    (worktree / "fail").unlink()
    capfd.readouterr()
    study.main()
    assert graph.ran(capfd.readouterr().out) == {"corpora_share"}
    recorded = graph.load_json(results / "study.json")
    assert recorded["complete"]
    assert set(recorded["seconds"]) == {*CELLS} == {cell.name for cell in sections.cells(worktree)}
    head = graph.run(project, "git", "rev-parse", "HEAD").stdout.strip()
    assert recorded["commit"] == head
    assert recorded["wall_seconds"] >= sum(recorded["seconds"].values())
    assert {"cpu", "cores", "python", "torch"} <= set(recorded["machine"])

    written = {path.relative_to(worktree) for path in (worktree / "metrics").rglob("*") if path.is_file()}
    kept = {path.relative_to(results) for path in (results / "metrics").rglob("*") if path.is_file()}
    assert written == kept
    settings = yaml.safe_load((results / "params.yaml").read_text())
    ours = yaml.safe_load((project / "params.yaml").read_text())
    assert settings["grid"] == ours["grid"] | PROFILE["grid"]
    assert settings["grid"]["corpora"] == ["own"]
    assert "own/0/1" in (results / "dvc.lock").read_text()
    # The checkout itself is as it was, and its store and cache were used.
    assert (
        graph.run(project, "git", "status", "--porcelain", "--", "params.yaml", "dvc.lock", "metrics").stdout
        == ""
    )
    assert set((worktree / ".dvc/tmp/stores").read_text().split()) == {f"sqlite:///{project}/mlflow.db"}
    assert not (worktree / ".dvc/cache").exists()

    # A change of settings starts a new record; cells that it does not affect come from the cache.
    (project / "profiles/own.yaml").write_text(
        yaml.safe_dump(PROFILE | {"grid": PROFILE["grid"] | {"seeds": [2]}})
    )
    study.main()
    assert graph.ran(capfd.readouterr().out) == {"corpora_share"}
    before, recorded = recorded, graph.load_json(results / "study.json")
    restored = {*CELLS} - {"corpora_share@own-0-1"}
    assert set(recorded["restored"]) == restored
    assert set(recorded["seconds"]) == {*restored, "corpora_share@own-0-2"}
    assert all(recorded["seconds"][cell] == before["seconds"][cell] for cell in restored)

    # Times are taken over for the very same cell only.
    lock = yaml.safe_load((results / "dvc.lock").read_text())
    lock["stages"]["corpora_split@own-0"]["cmd"] = "another"
    (results / "dvc.lock").write_text(yaml.safe_dump(lock))
    (project / "profiles/own.yaml").write_text(yaml.safe_dump(PROFILE))
    study.main()
    recorded = graph.load_json(results / "study.json")
    assert set(recorded["restored"]) == {*CELLS}
    assert set(recorded["seconds"]) == {"corpora_prepare@own", "corpora_check@own"}
    kept = {path.relative_to(results) for path in (results / "metrics").rglob("*") if path.is_file()}
    assert written == kept
