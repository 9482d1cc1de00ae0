"""A copy of the project whose stages are stubs: the real graph, params and code, with instant commands."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
# Where dvc.yaml lists what a stage writes.
OUTS = ("outs", "metrics", "plots")

# Writes every out with bytes that depend on all dependencies and params; a gate's `passed` file does not.
STUB = """
import hashlib, os, pathlib, sys
with open(".dvc/tmp/stores", "a") as file:
    file.write(os.environ.get("MLFLOW_TRACKING_URI", "") + "\\n")
if pathlib.Path("fail").exists() and pathlib.Path("fail").read_text() in " ".join(sys.argv):
    sys.exit("error: told to fail")
_, deps, outs = " ".join(sys.argv).split("--")
seen = hashlib.md5(pathlib.Path("params.yaml").read_bytes())
for dep in sorted(deps.split()[1:]):
    path = pathlib.Path(dep)
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file() and file.name != ".gitignore":
            seen.update(file.read_bytes())
for out in outs.split()[1:]:
    path = pathlib.Path(out)
    if not path.suffix:
        path.mkdir(parents=True, exist_ok=True)
        path = path / "content"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("passed" if path.suffix == ".passed" else '{"value": "%s"}' % (out + seen.hexdigest()))
"""


def pipeline() -> dict[str, Any]:
    """dvc.yaml as it is written."""
    return yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))


def paths(entries: list[Any]) -> list[str]:
    """The paths of a `deps`, `outs` or `metrics` list."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def environment(**more: str) -> dict[str, str]:
    """The environment for a `dvc` or `python` of this virtual environment, without the caller's DVC or MLflow."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_", "GIT_"))}
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return kept | {"DVC_NO_ANALYTICS": "1"} | more


def run(folder: Path, *command: str, check: bool = True, **more: str) -> subprocess.CompletedProcess:
    """Run a command in `folder`; a failure shows what it printed."""
    done = subprocess.run(command, cwd=folder, env=environment(**more), capture_output=True, text=True)
    assert not check or done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def clone(folder: Path) -> Path:
    """The working tree's tracked and new files, a person's own corpora apart, as a project in `folder`."""
    listed = run(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    for name in filter(None, listed.split("\0")):
        own = name.startswith("data/") and name.endswith(".dvc")
        skipped = name.startswith(("results/", "benchmarks/")) and not name.startswith("results/ablations/")
        if (ROOT / name).is_file() and not own and not skipped:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for name in ("dvc.lock", "metrics"):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (folder / ".dvc" / "config.local").write_text(f"[core]\n    site_cache_dir = {folder}/data/.site-cache\n")
    run(folder, "git", "init", "-q", "-b", "main")
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    """Commit everything in `folder` that git does not ignore."""
    run(folder, "git", "add", "-A")
    run(folder, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "state")


def stub(folder: Path) -> Path:
    """Replace every stage's command in a clone by a stub that writes the declared outs."""
    file = folder / "dvc.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    for stage in content["stages"].values():
        outs = [path for key in OUTS for path in paths(stage.get(key, []))]
        stage["cmd"] = " ".join(["python -I -S stub.py --deps", *stage.get("deps", []), "--outs", *outs])
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    (folder / "stub.py").write_text(STUB, encoding="utf-8")
    return folder


def ran(output: str) -> set[str]:
    """Names of the stages (without their cells) that a `dvc repro` says it ran."""
    lines = [line for line in output.splitlines() if line.startswith("Running stage '")]
    return {line.split("'")[1].split("@")[0] for line in lines}


def load_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
