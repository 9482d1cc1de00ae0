from pathlib import Path

import pytest
import yaml

from scripts import check_params, study
from stages.runtime.errors import UserError
from tests import graph

PROFILE = {
    "grid": {"demos": [], "corpora": ["own"], "synthesized": ["own"]},
    "catalog": {
        "own": {
            "raw": {"format": "text"},
            "labels": {},
            **{role: {"source": "folder", "path": "m"} for role in ("encoder", "decoder")},
        }
    },
}
CELLS = (
    "corpora_prepare@own",
    "corpora_check@own",
    "corpora_split@own-0",
    "ner_compare@own",
    "corpora_share@own-0-1",
)
COMPARISON = Path("metrics/ner/compare/own")


def test_mappings_merge_and_everything_else_replaces():
    base = {"a": {"b": 1, "c": [1, 2], "d": {"e": 3}}, "f": 4, "g": {}}
    overlay = {"a": {"c": [9], "d": None, "new": {"x": 1}}, "f": 5, "g": {"h": 1}}
    assert study.merged(base, overlay) == {"a": {"b": 1, "c": [9], "d": None, "new": {"x": 1}}, "f": 5, "g": {"h": 1}}
    assert base["a"]["c"] == [1, 2]


def test_a_value_in_place_of_a_section_is_refused():
    with pytest.raises(UserError, match=r"profiles/x\.yaml: ner: train is a section"):
        study.merged({"ner": {"train": {"steps": 1}}}, {"ner": {"train": 3}}, "profiles/x.yaml")


def write_profiles(**contents):
    for name, content in contents.items():
        file = Path("profiles", f"{name}.yaml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(content))


def test_a_profile_extends_others_in_order(workdir):
    write_profiles(
        base={"a": {"x": 1, "y": 1, "z": 1}},
        other={"a": {"y": 2}, "b": 2},
        middle={"extends": ["base", "other"], "a": {"z": 3}},
        top={"extends": "middle", "b": {"c": None}},
    )
    params = {"a": {"w": 0, "x": 0}, "b": 0}
    assert study.overlaid(params, "middle") == {"a": {"w": 0, "x": 1, "y": 2, "z": 3}, "b": 2}
    assert study.overlaid(params, "top") == {"a": {"w": 0, "x": 1, "y": 2, "z": 3}, "b": {"c": None}}
    assert params == {"a": {"w": 0, "x": 0}, "b": 0}


def test_null_in_an_extended_profile_empties_a_section(workdir):
    write_profiles(below={"train": None}, above={"extends": "below", "train": {"steps": 2}})
    assert study.overlaid({"train": {"epochs": 1}}, "above") == {"train": {"steps": 2}}


def test_profiles_that_extend_each_other_are_refused(workdir):
    write_profiles(a={"extends": "b"}, b={"extends": "c"}, c={"extends": "b"})
    with pytest.raises(UserError, match=r"profiles/b\.yaml: extends itself: a -> b -> c -> b"):
        study.overlaid({}, "a")
    write_profiles(a={"extends": "nowhere"})
    with pytest.raises(
        UserError, match=r"profiles/nowhere\.yaml: no such profile, which a extends; there are a, b, c"
    ):
        study.overlaid({}, "a")


def test_a_duplicate_key_in_a_profile_is_refused(workdir):
    write_profiles(a={})
    Path("profiles/a.yaml").write_text("ner: {}\nner: {}\n")
    with pytest.raises(UserError, match=r"profiles/a\.yaml:2: not valid YAML \(duplicate key ner\)"):
        study.overlaid({}, "a")


def test_an_unknown_profile_names_those_there_are(workdir, monkeypatch):
    write_profiles(small={"grid": {}})
    monkeypatch.setattr("sys.argv", ["study", "smal"])
    with pytest.raises(UserError, match=r"profiles/smal\.yaml: no such profile; there are small"):
        study.main()


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A clone with stub commands, a corpus of its own that only DVC knows, and a profile; stages fail as told."""
    folder = graph.clone(tmp_path / "main")
    pipeline = yaml.safe_load((folder / "dvc.yaml").read_text())
    names = ("corpora_prepare", "corpora_check", "corpora_split", "ner_compare", "corpora_share")
    stages = {name: pipeline["stages"][name] for name in names}
    stages["ner_compare"]["deps"] = ["data/corpora/split/${item.corpus}/0/test"]
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    graph.stub(folder)
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
    assert (results / COMPARISON / "table.md").is_file()

    (worktree / "fail").unlink()
    capfd.readouterr()
    study.main()
    assert graph.ran(capfd.readouterr().out) == {"corpora_share"}
    recorded = graph.load_json(results / "study.json")
    assert recorded["complete"]
    assert set(recorded["seconds"]) == {*CELLS} == {cell.name for cell in check_params.cells(worktree)}
    head = graph.run(project, "git", "rev-parse", "HEAD").stdout.strip()
    assert recorded["commit"] == head
    assert recorded["wall_seconds"] >= sum(recorded["seconds"].values())
    assert {"cpu", "cores", "python", "torch"} <= set(recorded["machine"])

    # The comparison is kept; what it was made from is in DVC's cache.
    kept = {path.name for path in (worktree / COMPARISON).iterdir() if path.name != ".gitignore"}
    assert {"table.md", "summary.json", "arms.csv"} < kept
    written = {path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()}
    assert written == {"study.json", "params.yaml", *(f"{COMPARISON}/{name}" for name in kept)}
    settings = yaml.safe_load((results / "params.yaml").read_text())
    ours = yaml.safe_load((project / "params.yaml").read_text())
    assert settings["grid"] == ours["grid"] | PROFILE["grid"]
    assert settings["grid"]["corpora"] == ["own"]
    # The checkout itself is as it was, and its store and cache were used.
    assert graph.run(project, "git", "status", "--porcelain", "--", "params.yaml", "dvc.lock", "metrics").stdout == ""
    assert set((worktree / ".dvc/tmp/stores").read_text().split()) == {f"sqlite:///{project}/mlflow.db"}
    assert not (worktree / ".dvc/cache").exists()

    # A change of settings starts a new record; cells that it does not affect come from the cache.
    (project / "profiles/own.yaml").write_text(yaml.safe_dump(PROFILE | {"grid": PROFILE["grid"] | {"seeds": [2]}}))
    study.main()
    assert graph.ran(capfd.readouterr().out) == {"corpora_share", "ner_compare"}
    before, recorded = recorded, graph.load_json(results / "study.json")
    restored = {"corpora_prepare@own", "corpora_check@own", "corpora_split@own-0"}
    assert set(recorded["restored"]) == restored
    assert set(recorded["seconds"]) == {*restored, "corpora_share@own-0-2", "ner_compare@own"}
    assert all(recorded["seconds"][cell] == before["seconds"][cell] for cell in restored)

    # Times are taken over for the very same cell only.
    file = worktree / "dvc.lock"
    lock = yaml.safe_load(file.read_text())
    lock["stages"]["corpora_split@own-0"]["cmd"] = "another"
    file.write_text(yaml.safe_dump(lock))
    (project / "profiles/own.yaml").write_text(yaml.safe_dump(PROFILE))
    study.main()
    recorded = graph.load_json(results / "study.json")
    # DVC's run cache keeps no cell that writes only files for git.
    assert set(recorded["restored"]) == {*CELLS} - {"ner_compare@own"}
    assert set(recorded["seconds"]) == {"corpora_prepare@own", "corpora_check@own", "ner_compare@own"}
    assert written == {path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()}


def test_the_record_of_a_machine_names_its_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert study.machine()["gpu"] is None
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho Slide Rule 2\necho Slide Rule 3\n")
    tool.chmod(0o755)
    assert study.machine()["gpu"] == "Slide Rule 2"
