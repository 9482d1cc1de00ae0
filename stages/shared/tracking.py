"""What happened in a run, for MLflow: numbers, params and report files, never note text or weights.

A crash shows as FAILED, a kill as KILLED. The default store is mlflow.db in the main checkout (DVC_ROOT, also for
queued experiments); MLFLOW_TRACKING_URI names another. DEIDSYNTH_TRACKING=off switches tracking off.

Loading MLflow takes some six seconds of every stage. So a stage that has not loaded it has its numbers written by a
second process (`python -m stages.shared.tracking`), which loads it while the stage is at work.
"""

import json
import logging
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from stages.shared.errors import UserError, run
from stages.shared.quiet import silence

_SQLITE = "sqlite:///"
# What may be copied to MLflow: reports in the formats that stages write below metrics/.
_REPORTS = (".csv", ".json", ".md")


Send = Callable[[dict[str, Any]], None]


class Run:
    """An open MLflow run, or with tracking off a run that keeps nothing."""

    def __init__(self, send: Send = lambda message: None) -> None:
        self._send = send

    def metrics(self, values: Mapping[str, Any], step: int = 0) -> None:
        """Log numbers; inner mappings become `outer/inner` names, None is left out.

        Raises TypeError on anything that is not a number: text has no place in MLflow.
        """
        numbers = dict(_numbers(values))
        if numbers:
            self._send({"metrics": numbers, "step": step, "time": time.time_ns() // 1_000_000})

    def artifact(self, path: str | Path) -> None:
        """Attach a report file. Raises ValueError for a private place or a format that is not a report."""
        path = Path(path).resolve()
        if Path("data").resolve() in path.parents or path.suffix not in _REPORTS:
            raise ValueError(f"{path}: only reports ({', '.join(_REPORTS)}) outside data/ may go to MLflow")
        self._send({"artifact": str(path)})


@contextmanager
def track(
    experiment: str,
    cell: str,
    params: BaseModel | Mapping[str, Any],
    tags: Mapping[str, Any] | None = None,
    inputs: Iterable[str | Path] = (),
    replace: bool = False,
) -> Iterator[Run]:
    """A run named `cell` in `experiment` (the stage's name with a slash), ended as FINISHED or FAILED.

    `tags` are the cell's axes under the names all stages share: corpus, arm, fold, seed. `inputs` are DVC outputs;
    their md5 of dvc.lock is kept, so that the run is tied to exact data. With `replace`, the finished run takes the
    place of the cell's earlier ones of the same DVC experiment: MLflow keeps those among its deleted runs.
    """
    if os.environ.get("DEIDSYNTH_TRACKING") == "off":
        yield Run()
        return
    all_tags = {"mlflow.runName": cell, **_circumstances(), **_md5(inputs), **dict(tags or {})}
    start = {
        "uri": tracking_uri(),
        "experiment": experiment,
        "cell": cell,
        "params": _params(params),
        "tags": {name: str(value) for name, value in all_tags.items()},
        "replace": replace,
    }
    with (_here if "mlflow" in sys.modules else _beside)(start) as send:
        yield Run(send)


@contextmanager
def _here(start: dict[str, Any]) -> Iterator[Send]:
    """Log in this process."""
    run = _Open(start)
    try:
        yield run.send
    except BaseException:
        run.end("FAILED")
        raise
    run.end("FINISHED")


@contextmanager
def _beside(start: dict[str, Any]) -> Iterator[Send]:
    """Log in a second process, which a Ctrl-C does not reach: it reads one message a line, the last one `end`."""
    command = [sys.executable, "-m", "stages.shared.tracking"]
    logger = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)

    def send(message: dict[str, Any]) -> None:
        try:
            print(json.dumps(message), file=logger.stdin, flush=True)
        except BrokenPipeError:
            raise _NOT_LOGGED from None

    try:
        send(start)
        yield send
    except BaseException:
        with suppress(UserError):
            send({"end": "FAILED"})
        raise
    else:
        send({"end": "FINISHED"})
    finally:
        with suppress(BrokenPipeError):
            logger.stdin.close()
        logger.wait()
    if logger.returncode:
        raise _NOT_LOGGED


_NOT_LOGGED = UserError(
    "MLflow could not log this run (its message is above); DEIDSYNTH_TRACKING=off runs without"
)


def main() -> None:
    """Log what `_beside` sends on standard input; a run whose sender is gone without a word was killed."""
    run = _Open(json.loads(sys.stdin.readline()))
    status = "KILLED"
    for message in map(json.loads, sys.stdin):
        if "end" in message:
            status = message["end"]
        else:
            run.send(message)
    run.end(status)


class _Open:
    """A run in MLflow's store."""

    def __init__(self, start: dict[str, Any]) -> None:
        self._start = start
        self._client, self._experiment = _open(start["uri"], start["experiment"])
        from mlflow.entities import Param

        _end_killed(self._client, self._experiment, start["cell"])
        self._id = self._client.create_run(self._experiment, tags=start["tags"]).info.run_id
        self._client.log_batch(self._id, params=[Param(*param) for param in start["params"]])

    def send(self, message: dict[str, Any]) -> None:
        """Write one message of a Run."""
        from mlflow.entities import Metric

        if "artifact" in message:
            self._client.log_artifact(self._id, message["artifact"])
            return
        at = message["time"], message["step"]
        entries = [Metric(name, value, *at) for name, value in message["metrics"].items()]
        for first in range(0, len(entries), 1000):
            self._client.log_batch(self._id, metrics=entries[first : first + 1000])

    def end(self, status: str) -> None:
        """Close the run; where it replaces earlier ones and finished, delete those."""
        self._client.set_terminated(self._id, status)
        if status != "FINISHED" or not self._start["replace"]:
            return
        experiment = self._start["tags"].get("dvc.exp")
        name = f"attributes.run_name = '{self._start['cell']}'"
        for earlier in self._client.search_runs([self._experiment], name):
            if earlier.data.tags.get("dvc.exp") == experiment and earlier.info.run_id != self._id:
                self._client.delete_run(earlier.info.run_id)


def describe(experiment: str, question: str, tables: Iterable[Path]) -> None:
    """Put a question and the tables that answer it, those that are there, at the head of an experiment's page."""
    reports = [table.read_text(encoding="utf-8") for table in tables if table.is_file()]
    text = "\n".join([f"# {question}\n", *reports])
    if os.environ.get("DEIDSYNTH_TRACKING") != "off":
        client, experiment_id = _open(tracking_uri(), experiment)
        client.set_experiment_tag(experiment_id, "mlflow.note.content", text)


def minutes(experiment: str, tags: Mapping[str, str]) -> float | None:
    """How long the newest finished run with these tags took; None where the store knows none, or tracking is off."""
    if os.environ.get("DEIDSYNTH_TRACKING") == "off":
        return None
    client, _ = _open(tracking_uri(), None)
    known = client.get_experiment_by_name(experiment)
    wanted = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    query = f"attributes.status = 'FINISHED' and {wanted}"
    newest = ["attributes.start_time DESC"]
    runs = client.search_runs([known.experiment_id], query, max_results=1, order_by=newest) if known else []
    return (runs[0].info.end_time - runs[0].info.start_time) / 60_000 if runs else None


def tracking_uri() -> str:
    """Address of the store; UserError for one that depends on the working directory."""
    root = Path(os.environ.get("DVC_ROOT", ".")).resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{root / 'mlflow.db'}"
    if uri.startswith("sqlite:") and not uri.startswith(f"{_SQLITE}/"):
        raise UserError(
            f"MLFLOW_TRACKING_URI={uri}: a relative database would be another one in each working directory; "
            "write sqlite:////absolute/path/mlflow.db or leave it unset"
        )
    if "://" not in uri or uri.startswith("file:"):
        raise UserError(
            f"MLFLOW_TRACKING_URI={uri}: MLflow no longer writes to plain folders; "
            "write sqlite:////absolute/path/mlflow.db or leave it unset"
        )
    return uri


def prepare(uri: str | None = None) -> None:
    """Create the store if it is not there; takes some 10 seconds once, so `make setup` does it."""
    _open(uri or tracking_uri(), None)


def _open(uri: str, experiment: str | None) -> tuple[Any, str]:
    """A client and the experiment's id, made under a lock: MLflow's own first use is not safe in parallel."""
    silence()
    from filelock import FileLock
    from mlflow import MlflowClient

    logging.getLogger("alembic").setLevel(logging.WARNING)
    database = Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None
    with FileLock(f"{database}.lock", mode=0o600) if database else nullcontext():
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        if experiment is None:
            client.search_experiments(max_results=1)
            return client, ""
        known = client.get_experiment_by_name(experiment)
        if known:
            return client, known.experiment_id
        # Without a location of its own an experiment's artifacts go below the working directory of its creator.
        location = (database.parent / "mlartifacts" / experiment).as_uri() if database else None
        # The kind makes MLflow open the page of training runs and not that of language-model traces.
        kind = {"mlflow.experimentKind": "custom_model_development"}
        return client, client.create_experiment(experiment, artifact_location=location, tags=kind)


def _end_killed(client: Any, experiment_id: str, cell: str) -> None:
    """Mark runs of this cell whose process is gone as KILLED; neither it nor its logger could."""
    query = f"attributes.status = 'RUNNING' and tags.host = '{os.uname().nodename}'"
    for found in client.search_runs([experiment_id], query):
        process = int(found.data.tags.get("pid", 0))
        if (
            found.info.run_name == cell
            and not Path(f"/proc/{process}").exists()
            and Path("/proc/self").exists()
        ):
            client.set_terminated(found.info.run_id, "KILLED")


def _circumstances() -> dict[str, str]:
    """Where and from which code a run comes."""
    tags = {
        "mlflow.source.name": getattr(getattr(sys.modules["__main__"], "__spec__", None), "name", None)
        or "python",
        "host": os.uname().nodename,
        "pid": str(os.getpid()),
        "git.dirty": "yes" if _git("status", "--porcelain", "--untracked-files=no") else "no",
    }
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags["mlflow.source.git.commit"] = commit
    for tag, variable in {
        "dvc.stage": "DVC_STAGE",
        "dvc.exp": "DVC_EXP_NAME",
        "dvc.baseline": "DVC_EXP_BASELINE_REV",
    }.items():
        if os.environ.get(variable):
            tags[tag] = os.environ[variable]
    return tags


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _md5(inputs: Iterable[str | Path]) -> dict[str, str]:
    """`input.<path>` tags with the md5 that DVC recorded for the stage that made each input."""
    paths = [Path(path).as_posix() for path in inputs]
    if not paths or not Path("dvc.lock").is_file():
        return {}
    with open("dvc.lock", encoding="utf-8") as stream:
        lock = yaml.load(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    known = {
        out["path"]: out.get("md5", "") for stage in lock["stages"].values() for out in stage.get("outs", [])
    }
    return {f"input.{path}": known[path] for path in paths if path in known}


def _params(params: BaseModel | Mapping[str, Any]) -> list[tuple[str, str]]:
    values = params.model_dump(mode="json") if isinstance(params, BaseModel) else params
    return [(name, str(value)[:6000]) for name, value in _flat(values, ".")]


def _numbers(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in _flat(values, "/"):
        if value is None:
            continue
        if isinstance(value, str) or not math.isfinite(float(value)):
            raise TypeError(f"metric {name} is not a finite number")
        yield re.sub(r"[^\w\-. :/]", "_", name), float(value)


def _flat(values: Mapping[str, Any], join: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, join, f"{prefix}{name}{join}")
        else:
            yield f"{prefix}{name}", value


if __name__ == "__main__":
    run(main)
