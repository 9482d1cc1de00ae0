"""What a run logs to MLflow: numbers, params and report files, never note text or weights.

A crashed run is marked FAILED, a killed one KILLED. DEIDSYNTH_TRACKING=off switches tracking off.

Importing MLflow would add two to six seconds to every stage. So a stage that has not imported it leaves the logging
to a second process (`python -m stages.runtime.mlflow_store`), which imports it while the stage works.
"""

import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from stages.runtime import params as settings
from stages.runtime.errors import UserError
from stages.runtime.mlflow_store import Send, open_run, tracking_uri

# What may be copied to MLflow: reports in the formats that stages write below metrics/.
_REPORTS = (".csv", ".json", ".md")


class Tracker:
    """An open MLflow run; without a `send` it keeps nothing."""

    def __init__(self, send: Send = lambda message: None) -> None:
        self.send = send

    def log(self, values: Mapping[str, Any], step: int = 0) -> None:
        """Log numbers; inner mappings become `outer/inner` names, None is left out.

        Raises TypeError on anything that is not a finite number: text has no place in MLflow.
        """
        numbers = {}
        for name, value in _flat(values, "/"):
            if isinstance(value, str) or (value is not None and not math.isfinite(value)):
                raise TypeError(f"metric {name} is not a finite number")
            if value is not None:
                numbers[re.sub(r"[^\w\-. :/]", "_", name)] = float(value)
        if numbers:
            self.send({"metrics": numbers, "step": step, "time": time.time_ns() // 1_000_000})

    def artifact(self, path: str | Path) -> None:
        """Attach a report file. Raises ValueError for anything that `is_report` refuses."""
        if not is_report(path):
            raise ValueError(f"{path}: only reports ({', '.join(_REPORTS)}) outside data/ may go to MLflow")
        self.send({"artifact": str(Path(path).resolve())})


def is_report(path: str | Path) -> bool:
    """Whether a path may be copied to MLflow: a file in a report format, outside data/."""
    path = Path(path).resolve()
    return path.suffix in _REPORTS and Path("data").resolve() not in path.parents


@contextmanager
def track(
    experiment: str,
    cell: str,
    params: BaseModel | Mapping[str, Any],
    tags: Mapping[str, Any] | None = None,
    inputs: Iterable[str | Path] = (),
    replace: bool = False,
    name: str | None = None,
) -> Iterator[Tracker]:
    """A run of `cell` in `experiment` (the stage's name with a slash), ended as FINISHED or FAILED.

    `name` is what MLflow's pages call it, `cell` unless given. `tags` are the axes of the cell: corpus, arm, fold,
    seed. `inputs` are DVC outputs; each is tagged with its md5 from dvc.lock, which ties the run to exact data. With
    `replace`, a finished run replaces the earlier runs of its cell in the same DVC experiment; MLflow keeps them as
    deleted runs.
    """
    if os.environ.get("DEIDSYNTH_TRACKING") == "off":
        yield Tracker()
        return
    values = params.model_dump(mode="json") if isinstance(params, BaseModel) else params
    all_tags = {"mlflow.runName": name or cell, "cell": cell, **_circumstances(), **_md5(inputs), **(tags or {})}
    start: dict[str, Any] = {
        "uri": tracking_uri(),
        "experiment": experiment,
        "params": [(name, str(value)[:6000]) for name, value in _flat(values, ".")],
        "tags": {name: str(value) for name, value in all_tags.items()},
        "replace": replace,
    }
    # Runs that replace others are logged one after the other when their work is done; one import serves them all.
    send = open_run(**start) if replace or "mlflow" in sys.modules else _second_process(start)
    try:
        yield Tracker(send)
    except BaseException:
        with suppress(UserError):
            send({"end": "FAILED"})
        raise
    send({"end": "FINISHED"})


def _second_process(start: dict[str, Any]) -> Send:
    """`open_run` in a second process, out of reach of Ctrl-C, which reads one JSON message per line."""
    command = [sys.executable, "-m", "stages.runtime.mlflow_store"]
    logger = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=sys.stderr, text=True, start_new_session=True)

    def send(message: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):
            print(json.dumps(message), file=logger.stdin, flush=True)
            if "end" not in message:
                return
        logger.communicate()
        if logger.returncode:
            remedy = "DEIDSYNTH_TRACKING=off switches it off"
            raise UserError(f"MLflow could not log this run, for the reason above; {remedy}")

    send(start)
    return send


def _circumstances() -> dict[str, str]:
    """Tags that say where, and with which code, a run was made."""
    known = {
        "mlflow.source.name": getattr(getattr(sys.modules["__main__"], "__spec__", None), "name", None) or "python",
        "host": os.uname().nodename,
        "pid": str(os.getpid()),
        "git.dirty": "yes" if _git("status", "--porcelain", "--untracked-files=no") else "no",
        "mlflow.source.git.commit": _git("rev-parse", "HEAD"),
        "dvc.stage": os.environ.get("DVC_STAGE"),
        "dvc.exp": os.environ.get("DVC_EXP_NAME"),
        "dvc.baseline": os.environ.get("DVC_EXP_BASELINE_REV"),
    }
    return {tag: value for tag, value in known.items() if value}


def _git(*arguments: str) -> str:
    with suppress(FileNotFoundError, subprocess.CalledProcessError):
        return subprocess.check_output(["git", *arguments], text=True, stderr=subprocess.DEVNULL).strip()
    return ""


def _md5(inputs: Iterable[str | Path]) -> dict[str, str]:
    """`input.<path>` tags with the md5 that DVC recorded for the stage that made each input."""
    paths = [Path(path).as_posix() for path in inputs]
    if not paths or not Path("dvc.lock").is_file():
        return {}
    stages = settings.read("dvc.lock")["stages"].values()
    known = {out["path"]: out.get("md5", "") for stage in stages for out in stage.get("outs", [])}
    return {f"input.{path}": known[path] for path in paths if path in known}


def _flat(values: Mapping[str, Any], join: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, join, f"{prefix}{name}{join}")
        else:
            yield f"{prefix}{name}", value
