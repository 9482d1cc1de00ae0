"""MLflow's store: where it is, the experiments in it, and the process that writes a stage's runs into it.

The default store is mlflow.db in the main checkout (DVC_ROOT, also for experiments in a temporary copy);
MLFLOW_TRACKING_URI names another. MLflow is imported only here, inside functions: that takes two to six seconds.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from stages.runtime.errors import UserError, run

_SQLITE = "sqlite:///"
# The tag that holds an arrangement of an experiment's page, and the name of ours.
_SHARED, _VIEW = "mlflow.sharedViewState.", "deidsynth"

# Takes a message of a Tracker: metrics, an artifact, or the status with which the run ends.
Send = Callable[[dict[str, Any]], None]


def open_run(
    uri: str, experiment: str, tags: Mapping[str, str], params: Iterable[Iterable[str]], replace: bool
) -> Send:
    """Start a run in MLflow's store and return what writes a Tracker's messages into it.

    If the run finishes and replaces the earlier runs of its cell, they are deleted. Earlier runs of the cell that
    were never closed, and whose process on this machine is gone, are marked as KILLED.
    """
    client, experiment_id = _open(uri, experiment)
    from mlflow.entities import Metric, Param

    of_cell = f"tags.cell = '{tags['cell']}'"
    unfinished = f"{of_cell} and attributes.status = 'RUNNING' and tags.host = '{tags['host']}'"
    for earlier in client.search_runs([experiment_id], unfinished):
        if Path("/proc/self").exists() and not Path("/proc", earlier.data.tags.get("pid", "0")).exists():
            client.set_terminated(earlier.info.run_id, "KILLED")
    run_id = client.create_run(experiment_id, tags=tags).info.run_id
    client.log_batch(run_id, params=[Param(*param) for param in params])

    def send(message: dict[str, Any]) -> None:
        if "artifact" in message:
            client.log_artifact(run_id, message["artifact"])
        elif "metrics" in message:
            place = message["time"], message["step"]
            metrics = [Metric(name, value, *place) for name, value in message["metrics"].items()]
            for first in range(0, len(metrics), 1000):
                client.log_batch(run_id, metrics=metrics[first : first + 1000])
        else:
            client.set_terminated(run_id, message["end"])
            finished = message["end"] == "FINISHED"
            for earlier in client.search_runs([experiment_id], of_cell) if replace and finished else ():
                if earlier.data.tags.get("dvc.exp") == tags.get("dvc.exp") and earlier.info.run_id != run_id:
                    client.delete_run(earlier.info.run_id)

    return send


def describe(experiment: str, question: str, tables: Iterable[Path], charts: Sequence[str], columns: int) -> None:
    """Show a question and the tables that answer it, as far as they exist, at the top of an experiment's page.

    The metrics `charts`, named `section/metric`, are drawn in this order; MLflow draws others of the same section
    before them. The first `columns` of them are columns of the list of runs. Left to itself, MLflow sorts charts by
    name and lists runs without a score.
    """
    if os.environ.get("DEIDSYNTH_TRACKING") != "off":
        reports = [table.read_text(encoding="utf-8") for table in tables if table.is_file()]
        client, experiment_id = _open(tracking_uri(), experiment)
        client.set_experiment_tag(experiment_id, "mlflow.note.content", "\n".join([f"# {question}\n", *reports]))
        client.set_experiment_tag(experiment_id, f"{_SHARED}{_VIEW}", _view(charts, columns))


def _view(charts: Sequence[str], columns: int) -> str:
    """What MLflow's page stores when a person shares how they have arranged it."""
    section_of = {chart: chart.partition("/")[0] for chart in charts}
    kept = {"isGenerated": True, "deleted": False}
    sections = [
        {"uuid": section, "name": section, "display": True, "isReordered": False, **kept}
        for section in dict.fromkeys(section_of.values())
    ]
    bars = {"type": "BAR", "runsCountToCompare": 10, **kept}
    cards = [{"uuid": chart, "metricKey": chart, "metricSectionId": section_of[chart], **bars} for chart in charts]
    shown = [f"metrics.`{chart}`" for chart in charts[:columns]]
    state = {"selectedColumns": shown, "compareRunSections": sections, "compareRunCharts": cards}
    return json.dumps(state, separators=(",", ":"))


def minutes(experiment: str, tags: Mapping[str, str]) -> float | None:
    """Minutes that the newest finished run with these tags took; None if there is none or tracking is off."""
    if os.environ.get("DEIDSYNTH_TRACKING") == "off":
        return None
    client, _ = _open(tracking_uri())
    known = client.get_experiment_by_name(experiment)
    query = " and ".join(["attributes.status = 'FINISHED'", *(f"tags.`{tag}` = '{tags[tag]}'" for tag in tags)])
    newest = ["attributes.start_time DESC"]
    runs = client.search_runs([known.experiment_id], query, max_results=1, order_by=newest) if known else []
    return (runs[0].info.end_time - runs[0].info.start_time) / 60_000 if runs else None


def page(experiment: str) -> str | None:
    """The address of an experiment's charts, below that of MLflow's server; None if there is no such experiment.

    Without these parameters MLflow opens its pages for language-model applications, which show no score. The last of
    them arranges the charts as `describe` was told.
    """
    client, _ = _open(tracking_uri())
    known = client.get_experiment_by_name(experiment)
    if not known:
        return None
    arranged = f"&viewStateShareKey={_VIEW}" if f"{_SHARED}{_VIEW}" in known.tags else ""
    return f"/#/experiments/{known.experiment_id}/runs?compareRunsMode=CHART&workflowType=machine_learning{arranged}"


def tracking_uri() -> str:
    """The store's address. Raises UserError if it would depend on the working directory."""
    root = Path(os.environ.get("DVC_ROOT", ".")).resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{quoted(root / 'mlflow.db')}"
    if uri.startswith("sqlite:") and not uri.startswith(f"{_SQLITE}/"):
        problem = "a relative database would be a different one in every working directory"
    elif "://" not in uri or uri.startswith("file:"):
        problem = "MLflow no longer writes to plain folders"
    else:
        return uri
    remedy = "write sqlite:////absolute/path/mlflow.db or leave it unset"
    raise UserError(f"MLFLOW_TRACKING_URI={uri}: {problem}; {remedy}")


def quoted(path: Path) -> str:
    """A path as the address of a database holds it. Only what must be is quoted: MLflow makes the folders of the
    quoted path too."""
    return re.sub("[%?#]", lambda found: quote(found[0]), str(path))


def prepare(uri: str | None = None) -> None:
    """Create the store if it does not exist. Takes about 10 seconds once, so `make setup` does it."""
    _open(uri or tracking_uri())


def _open(uri: str, experiment: str = "Default") -> tuple[Any, str]:
    """A client and the experiment's id. The first use of a store is not safe in parallel, hence the lock."""
    from filelock import FileLock
    from mlflow import MlflowClient

    logging.getLogger("alembic").setLevel(logging.WARNING)
    database = Path(unquote(uri.removeprefix(_SQLITE))) if uri.startswith(_SQLITE) else None
    with FileLock(f"{database}.lock", mode=0o600) if database else nullcontext():
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        known = client.get_experiment_by_name(experiment)
        if known:
            return client, known.experiment_id
        # Without an explicit location, artifacts go below the working directory of whoever creates the experiment.
        location = (database.parent / "mlartifacts" / experiment).as_uri() if database else None
        # With this kind, MLflow opens the page of training runs, not that of language-model traces.
        kind = {"mlflow.experimentKind": "custom_model_development"}
        return client, client.create_experiment(experiment, artifact_location=location, tags=kind)


def main() -> None:
    """Log what a stage sends on standard input; if the input ends without an `end` message, the stage was killed."""
    send = open_run(**json.loads(sys.stdin.readline()))
    message: dict[str, Any] = {}
    for message in map(json.loads, sys.stdin):
        send(message)
    if "end" not in message:
        send({"end": "KILLED"})


if __name__ == "__main__":
    run(main)
