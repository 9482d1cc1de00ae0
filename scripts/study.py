"""Run a profile from start to end beside the working tree: `make study PROFILE=x`.

A study is params.yaml with profiles/<x>.yaml laid over it, run in a git worktree of the last commit below
data/.studies/, so that editing code meanwhile changes nothing. It shares this checkout's DVC cache and MLflow store,
and the pointers in data/raw, data/public and the like. As each cell ends its metrics and time are put into
results/<x>/. Killed or failed, it continues at the same cell when started again.
"""

import argparse
import contextlib
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from scripts.setup import GIVEN
from stages.shared.errors import UserError, run
from stages.shared.outputs import read_json, write_json
from stages.shared.tracking import tracking_uri

LIBRARIES = ("torch", "transformers", "peft", "dvc", "mlflow", "polars")


def main() -> None:
    """Run the study named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("profile", help="name of a file in profiles/, without .yaml")
    profile = parser.parse_args().profile
    project, settings = prepare(profile)
    Record(profile, project, settings).follow()


def prepare(profile: str) -> tuple[Path, dict[str, Any]]:
    """A profile's worktree at the last commit with its settings and pointers, checked; and those settings."""
    file = Path("profiles") / f"{profile}.yaml"
    if not file.is_file():
        known = sorted(path.stem for path in file.parent.glob("*.yaml"))
        raise UserError(f"{file}: no such profile; there are {', '.join(known) or 'none'}")
    project = worktree(profile)
    settings = merged(_yaml(project / "params.yaml"), _yaml(file), file)
    (project / "params.yaml").write_text(
        yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    check(project)
    take_over_pointers(project)
    return project, settings


def check(project: Path) -> None:
    """UserError with all that the study's own stages refuse in its params.yaml: their code is that of its commit."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.sections"], cwd=project, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(done.stderr.strip().removeprefix("error: "))


def merged(base: dict[str, Any], overlay: dict[str, Any], where: Any = "overlay") -> dict[str, Any]:
    """`base` with `overlay` laid over it: mappings merge key by key, anything else (lists, null) replaces."""
    result = dict(base)
    for key, value in overlay.items():
        inner = result.get(key)
        if isinstance(inner, dict) and isinstance(value, dict):
            result[key] = merged(inner, value, f"{where}: {key}")
        elif isinstance(inner, dict) and value is not None and inner:
            raise UserError(f"{where}: {key} is a section of keys, not a value")
        else:
            result[key] = value
    return result


def worktree(profile: str) -> Path:
    """The study's own checkout of HEAD, with this checkout's DVC cache, vault and site cache."""
    here = Path.cwd()
    project = here / "data" / ".studies" / profile
    commit = head(here)
    if output("git", "status", "--porcelain", "--untracked-files=no"):
        print("note: the study runs the last commit; uncommitted changes are not in it", file=sys.stderr)
    if not project.is_dir():
        project.parent.mkdir(parents=True, exist_ok=True)
        output("git", "worktree", "prune")
        output("git", "worktree", "add", "--detach", str(project), commit)
        # Numbers and locks of the demo, which are in git, are none of the study's.
        _forget_demo(project)
    elif head(project) != commit:
        # Cells that the new commit does not affect come back from DVC's run cache.
        output("git", "checkout", "--quiet", "--force", "--detach", commit, cwd=project)
        _forget_demo(project)
    else:
        output("git", "checkout", "--quiet", "HEAD", "--", "params.yaml", cwd=project)
    share_stores(here, project)
    return project


def head(project: Path, revision: str = "HEAD") -> str:
    """The commit that a checkout is at, or another revision as it sees it."""
    return output("git", "rev-parse", revision, cwd=project)


def share_stores(here: Path, project: Path) -> None:
    """Give the study this checkout's local DVC config, cache, site cache and vault."""
    from dvc.config import Config

    local = here / ".dvc" / "config.local"
    if local.is_file():
        shutil.copy(local, project / ".dvc" / "config.local")
    with Config(str(project / ".dvc")).edit("local") as config:
        config.setdefault("cache", {}).setdefault("dir", str(here / ".dvc" / "cache"))
        config.setdefault("core", {}).setdefault("site_cache_dir", str(here / "data" / ".site-cache"))
        config.setdefault("remote", {}).setdefault("vault", {}).setdefault(
            "url", str(here / "data" / ".vault")
        )


def take_over_pointers(project: Path) -> None:
    """Copy *.dvc of corpora, public texts and models, also those not in git, and link their data from the cache."""
    from dvc.exceptions import CheckoutError
    from dvc.repo import Repo

    pointers = sorted(path for part in GIVEN for path in Path("data", part).glob("*.dvc"))
    for pointer in pointers:
        (project / pointer).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pointer, project / pointer)
    if not pointers:
        return
    with contextlib.closing(Repo(str(project))) as repo:
        try:
            repo.checkout([str(project / pointer) for pointer in pointers])
        except CheckoutError as error:
            missing = ", ".join(str(path) for path in error.target_infos)
            raise UserError(f"{missing}: not in DVC's cache; run `dvc pull` or `dvc add` it again") from None


class Record:
    """results/<profile>/: metrics of the finished cells, settings, lock, times and circumstances."""

    def __init__(self, profile: str, project: Path, settings: dict[str, Any]) -> None:
        self._profile = profile
        self._project = project
        self._folder = Path("results") / profile
        self._metrics = _metrics_of(project)
        self._started = time.monotonic()
        commit = head(project)
        earlier = read_json(self._folder / "study.json") if (self._folder / "study.json").is_file() else {}
        same = earlier.get("commit") == commit and _yaml(self._folder / "params.yaml") == settings
        here = machine()
        self._known = dict(earlier.get("seconds", {})) if earlier.get("machine") == here else {}
        self._known_lock = _locked(self._folder)
        self._study = {
            "profile": profile,
            "commit": commit,
            "complete": False,
            "machine": here,
            # Seconds of the cells. One restored from DVC's cache keeps those of the record before, if it is the very
            # same cell (code, params, inputs, outputs) on the same machine.
            "seconds": earlier.get("seconds", {}) if same else {},
            "restored": earlier.get("restored", []) if same else [],
            "wall_seconds": 0,
        }
        self._earlier_wall = earlier.get("wall_seconds", 0) if same else 0
        if not same and self._folder.is_dir():
            shutil.rmtree(self._folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(project / "params.yaml", self._folder / "params.yaml")
        self._write()

    def follow(self) -> None:
        """Run `dvc repro` and record each cell as it ends; UserError if one fails."""
        cell, begun = "", 0.0
        with subprocess.Popen(
            ["dvc", "repro"], cwd=self._project, env=environment(), stdout=subprocess.PIPE, text=True
        ) as process:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                if line.startswith("Running stage '"):
                    cell, begun = line.split("'")[1], time.monotonic()
                elif line.startswith("Stage '"):
                    self._restored(line.split("'")[1])
                elif line.startswith(("Updating lock file", "Generating lock file")) and cell:
                    self._study["seconds"][cell] = round(time.monotonic() - begun, 1)
                    self._keep(cell)
                    cell = ""
        self._study["complete"] = process.returncode == 0
        # DVC names a restored cell before it puts its files back.
        for restored in self._study["restored"]:
            self._keep(restored)
        self._take_over_times()
        self._write()
        if process.returncode:
            at = f" at {cell}" if cell else ""
            raise UserError(
                f"study {self._profile} stopped{at}, for the reason above. What finished is in {self._folder}/; "
                f"mend it and run `make study PROFILE={self._profile}` again to continue there"
            )
        print(f"study {self._profile}: {self._study['wall_seconds'] / 60:.1f} minutes, in {self._folder}/")

    def _restored(self, cell: str) -> None:
        if cell not in self._study["seconds"] and cell not in self._study["restored"]:
            self._study["restored"].append(cell)

    def _take_over_times(self) -> None:
        """Seconds of restored cells from the record before, where the lock's entries are equal."""
        lock = _locked(self._project)
        for cell in self._study["restored"]:
            if cell in self._known and lock.get(cell) == self._known_lock.get(cell):
                self._study["seconds"][cell] = self._known[cell]

    def _keep(self, cell: str) -> None:
        """Copy the metrics of one finished cell."""
        for path in self._metrics.get(cell, ()):
            target = self._folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if (self._project / path).is_dir():
                shutil.copytree(self._project / path, target, dirs_exist_ok=True)
            elif (self._project / path).is_file():
                shutil.copyfile(self._project / path, target)
        self._write()

    def _write(self) -> None:
        self._study["wall_seconds"] = round(self._earlier_wall + time.monotonic() - self._started, 1)
        write_json(self._folder / "study.json", self._study)
        if (self._project / "dvc.lock").is_file():
            shutil.copyfile(self._project / "dvc.lock", self._folder / "dvc.lock")


def environment() -> dict[str, str]:
    """What DVC's commands in a study get: this checkout's MLflow store."""
    variables = os.environ | {"MLFLOW_TRACKING_URI": tracking_uri(), "PYTHONUNBUFFERED": "1"}
    variables.pop("DVC_ROOT", None)
    return variables


def machine() -> dict[str, Any]:
    """What times and floating-point results depend on."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model
        )
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def _metrics_of(project: Path) -> dict[str, list[str]]:
    """Paths below metrics/ that each cell writes."""
    from dvc.repo import Repo

    with contextlib.closing(Repo(str(project))) as repo:
        outs = {
            stage.name: [Path(out.fs_path) for out in stage.outs] for stage in repo.index.stages if stage.cmd
        }
    return {
        cell: [path.relative_to(project).as_posix() for path in paths if project / "metrics" in path.parents]
        for cell, paths in outs.items()
    }


def _locked(folder: Path) -> dict[str, Any]:
    """The entries of a dvc.lock by cell; none where it is missing."""
    return _yaml(folder / "dvc.lock").get("stages", {})


def _forget_demo(project: Path) -> None:
    shutil.rmtree(project / "metrics", ignore_errors=True)
    (project / "dvc.lock").unlink(missing_ok=True)


def _yaml(path: Path) -> dict[str, Any]:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise UserError(f"{path}:{line}: not valid YAML ({error.problem})") from None


def output(*command: str, cwd: Path | None = None, **variables: str) -> str:
    """What a command prints, with further environment variables; UserError with its message if it fails."""
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"`{' '.join(command)}` failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    run(main)
