"""What stands between a new machine and the first run: odd paths, old environments, no network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import setup
from stages.runtime.errors import UserError
from tests import graph

pytestmark = pytest.mark.slow

TRACK = """
from pathlib import Path
from stages.runtime.tracking import track
with track("ner/train", "cell", {"a": 1}) as run:
    run.log({"f1": 0.5})
    Path("report.json").write_text("{}")
    run.artifact("report.json")
"""


@pytest.mark.parametrize("name", ["José Åsa", "a%20b?c#d"])
def test_a_checkout_may_lie_anywhere(tmp_path, name):
    """Below folders with letters, signs and spaces that addresses and configurations quote or cannot hold."""
    project = graph.clone(tmp_path / name / "project")
    graph.run(project, sys.executable, "-m", "scripts.setup")
    assert (project / "mlflow.db").is_file()
    place = Path(graph.run(project, "dvc", "config", "core.site_cache_dir").stdout.strip())
    assert place.is_dir() and place.stat().st_mode & 0o077 == 0 and place.parent.stat().st_mode & 0o077 == 0
    graph.run(project, sys.executable, "-c", TRACK, DEIDSYNTH_TRACKING="on")
    assert len(list((project / "mlartifacts").rglob("report.json"))) == 1
    # MLflow also makes an empty folder of a quoted name.
    assert [path.name for path in tmp_path.iterdir() if path.name != name and "%" not in name] == []
    assert [path for path in tmp_path.rglob("*") if path.is_file() and tmp_path / name not in path.parents] == []
    # Another remote can be named, as docs/running.md says: DVC writes its configuration again.
    graph.run(project, "dvc", "remote", "add", "--local", "other", "/srv/other")
    if not project.samefile(place.parents[1]):
        shutil.rmtree(place)


def test_dvc_s_databases_lie_in_the_checkout_if_its_path_is_ascii(tmp_path):
    (tmp_path / "data").mkdir()
    assert setup.site_cache(tmp_path) == tmp_path / "data/.site-cache"


def install(folder: Path, python: str = sys.executable, **environment: str) -> subprocess.CompletedProcess:
    """The part of `make setup` that makes .venv, where no package index can be reached."""
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\noptional-dependencies.dev = []\n')
    (folder / "constraints.txt").touch()
    offline = {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return subprocess.run(
        ["sh", graph.ROOT / "scripts/environment.sh", python],
        cwd=folder, env=kept | offline | environment, capture_output=True, text=True,
    )  # fmt: skip


def test_no_network_is_named(tmp_path):
    done = install(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no package index can be reached: check the network and its proxy")
    assert "conflict" not in done.stdout + done.stderr


@pytest.mark.parametrize("broken", ["exit 1", "echo 'No module named pip' >&2; exit 1"])
def test_an_environment_that_cannot_be_used_is_made_anew(tmp_path, broken):
    """Such as one of Python 3.10, or without pip."""
    (tmp_path / ".venv/bin").mkdir(parents=True)
    old = tmp_path / ".venv/bin/python"
    old.write_text(f"#!/bin/sh\n{broken}\n")
    old.chmod(0o755)
    done = install(tmp_path)
    assert done.stdout.startswith("Replacing .venv, which has no pip, or a Python older than 3.11\n")
    assert subprocess.run([old, "-c", "import pip"]).returncode == 0


def test_without_a_python_the_message_says_which_one_is_needed(tmp_path):
    bare = tmp_path / "bin"
    bare.mkdir()
    for tool in ("sh", "rm", "test"):
        (bare / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
    done = install(tmp_path, python="nowhere", PATH=str(bare))
    assert done.returncode == 1
    assert done.stderr.startswith("error: Python 3.11 or newer with venv is needed")
    assert not (tmp_path / ".venv").exists()


def test_a_private_place_of_somebody_else_is_not_used(tmp_path, monkeypatch):
    project = tmp_path / "José"
    (project / "data").mkdir(parents=True)
    uid = os.getuid()
    monkeypatch.setattr(setup.os, "getuid", lambda: uid + 1)
    with pytest.raises(UserError, match="belongs to somebody else"):
        setup.site_cache(project)
    Path(f"/var/tmp/deidsynth-{uid + 1}").rmdir()
