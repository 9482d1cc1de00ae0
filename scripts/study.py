"""Run a profile from start to end beside the working tree: `make study PROFILE=x`.

A study is params.yaml merged with profiles/<x>.yaml. It runs in a git worktree of the last commit, data/.studies/<x>,
so that code can be edited meanwhile, and shares this checkout's DVC cache, MLflow store, and pointers in data/raw,
data/public and the like. results/<x>/ records it: the settings, the comparisons of arms and of mixtures, and in
study.json the commit, the machine and the time of every cell. A study that was killed or failed continues at the same
cell when started again.
"""

import argparse
import contextlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from scripts.setup import GIVEN
from stages.runtime import params
from stages.runtime.errors import UserError, run
from stages.runtime.mlflow_store import tracking_uri
from stages.runtime.outputs import read_json, write_json

PROFILES, RESULTS = Path("profiles"), Path("results")
# Libraries whose versions a record names.
LIBRARIES = ("torch", "transformers", "peft", "dvc", "mlflow", "polars")


def main() -> None:
    """Run the study named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("profile", help="name of a file in profiles/, without .yaml")
    profile = parser.parse_args().profile
    follow(profile, *prepare(profile))


def prepare(profile: str) -> tuple[Path, dict[str, Any]]:
    """A profile's worktree at the last commit, with its settings and pointers, checked; and those settings."""
    chain(profile)
    project = worktree(profile)
    settings = overlaid(params.read(project / "params.yaml"), profile)
    written = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    (project / "params.yaml").write_text(written, encoding="utf-8")
    check(project)
    take_over_pointers(project)
    return project, settings


def overlaid(base: dict[str, Any], profile: str) -> dict[str, Any]:
    """The settings of a profile: the content of params.yaml, `base`, merged with the profile and all it extends."""
    for file, overlay in chain(profile):
        base = merged(base, overlay, file)
    return base


def chain(profile: str, below: tuple[str, ...] = ()) -> list[tuple[Path, dict[str, Any]]]:
    """A profile's file and content, after those of the profiles that `extends` names, one or a list, in order.

    Raises UserError if one does not exist or extends itself.
    """
    if profile in below:
        raise UserError(f"{PROFILES / profile}.yaml: extends itself: {' -> '.join((*below, profile))}")
    file = named(PROFILES, profile, f"profile, which {below[-1]} extends" if below else "profile")
    overlay = params.read(file)
    extended = overlay.pop("extends", [])
    parents = [extended] if isinstance(extended, str) else extended
    return [*(link for parent in parents for link in chain(parent, (*below, profile))), (file, overlay)]


def named(folder: Path, name: str, kind: str) -> Path:
    """The file `name`.yaml of a folder; UserError, with the names that there are, if it does not exist."""
    file = folder / f"{name}.yaml"
    if not file.is_file():
        known = sorted(path.stem for path in folder.glob("*.yaml"))
        raise UserError(f"{file}: no such {kind}; there are {', '.join(known) or 'none'}")
    return file


def merged(base: dict[str, Any], overlay: dict[str, Any], where: Any = "overlay") -> dict[str, Any]:
    """`base` merged with `overlay`: mappings merge key by key, any other value (a list, null) replaces."""
    result = dict(base)
    for key, value in overlay.items():
        inner = result.get(key)
        if isinstance(inner, dict) and isinstance(value, dict):
            value = merged(inner, value, f"{where}: {key}")
        elif isinstance(inner, dict) and value is not None and inner:
            raise UserError(f"{where}: {key} is a section of keys, not a value")
        result[key] = value
    return result


def check(project: Path) -> None:
    """Raise UserError with every mistake in the study's params.yaml, by the code of the study's commit."""
    command = [sys.executable, "-m", "scripts.check_params"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(done.stderr.strip().removeprefix("error: "))


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
    elif head(project) != commit:
        output("git", "checkout", "--quiet", "--force", "--detach", commit, cwd=project)
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
        config.setdefault("remote", {}).setdefault("vault", {}).setdefault("url", str(here / "data" / ".vault"))


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


def follow(profile: str, project: Path, settings: dict[str, Any]) -> None:
    """Run `dvc repro` and record each cell in results/<profile>/ as it ends; UserError if one fails."""
    folder, here, started = RESULTS / profile, machine(), time.monotonic()
    file = folder / "study.json"
    earlier = read_json(file) if file.is_file() else {}
    # Cells that DVC restores keep the seconds of the previous record if it was of the very same cell (code, params,
    # inputs, outputs) on the same machine.
    known_seconds = earlier.get("seconds", {}) if earlier.get("machine") == here else {}
    known_cells = locked(project)
    record = {"profile": profile, "commit": head(project), "machine": here, "complete": False}
    if earlier.get("commit") == record["commit"] and params.read(folder / "params.yaml") == settings:
        started -= earlier["wall_seconds"]
    else:
        shutil.rmtree(folder, ignore_errors=True)
        earlier = {}
    seconds, restored = earlier.get("seconds", {}), earlier.get("restored", [])
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(project / "params.yaml", folder)

    def write() -> None:
        times = {"seconds": seconds, "restored": restored, "wall_seconds": round(time.monotonic() - started, 1)}
        write_json(file, record | times)

    write()
    command, cell, begun = ["dvc", "repro"], "", 0.0
    with subprocess.Popen(command, cwd=project, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            name = line.split("'")[1] if "'" in line else ""
            if line.startswith("Running stage '"):
                cell, begun = name, time.monotonic()
            elif line.startswith("Stage '") and name not in (*seconds, *restored):
                restored.append(name)
            elif line.startswith(("Updating lock file", "Generating lock file")) and cell:
                seconds[cell] = round(time.monotonic() - begun, 1)
                write()
                cell = ""
    cells = locked(project)
    same = [name for name in restored if name in known_seconds and cells.get(name) == known_cells.get(name)]
    seconds.update({name: known_seconds[name] for name in same})
    # The comparisons are kept; all else is in DVC's cache.
    for stage, _, corpus in (name.partition("@") for name in {*seconds, *restored}):
        if stage.endswith("_compare"):
            compared = Path("metrics", *stage.split("_"), corpus)
            shutil.copytree(project / compared, folder / compared, dirs_exist_ok=True)
    record["complete"] = process.returncode == 0
    write()
    if process.returncode:
        raise UserError(
            f"study {profile} stopped{f' at {cell}' if cell else ''}, for the reason above. What finished is in "
            f"{folder}/; fix it and run `make study PROFILE={profile}` again to continue there"
        )
    print(f"study {profile}: {(time.monotonic() - started) / 60:.1f} minutes, in {folder}/")


def locked(project: Path) -> dict[str, Any]:
    """The entries of a project's dvc.lock by cell; none if it has no such file."""
    file = project / "dvc.lock"
    return params.read(file).get("stages", {}) if file.is_file() else {}


def environment() -> dict[str, str]:
    """The environment of DVC's commands in a study, with this checkout's MLflow store."""
    inherited = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"}
    return inherited | {"MLFLOW_TRACKING_URI": tracking_uri(), "PYTHONUNBUFFERED": "1"}


def machine() -> dict[str, Any]:
    """What times and floating-point results depend on."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", info.read_text(encoding="utf-8")) if info.is_file() else None
    return {
        "cpu": model[1].strip() if model else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "gpu": gpu(),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def gpu() -> str | None:
    """The name of the first NVIDIA GPU, which stages compute on if there is one; None without."""
    try:
        names = output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    except (OSError, UserError):
        return None
    return names.partition("\n")[0] or None


def output(*command: str, cwd: Path | None = None, **variables: str) -> str:
    """What a command prints, with further environment variables; UserError with its message if it fails."""
    done = subprocess.run(command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"`{' '.join(command)}` failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    run(main)
