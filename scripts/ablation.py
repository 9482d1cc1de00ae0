"""Vary one thing and see the curve: `make ablation AXIS=adaptation PROFILE=meddocan-ablation`.

profiles/ablations/<axis>.yaml names the points. Each becomes a DVC experiment, queued by `dvc exp run --queue -S` on
the profile's study (scripts/study.py) and run one after the other; what the points share comes from the run cache.
The finished ones are collected from git into results/ablations/<profile>/<axis>/: points.csv, curve.svg (which
`dvc plots show` shows too) and in MLflow one experiment `ablation/<profile>` with a run per curve. A point that
failed or has not run stands there as missing.
"""

import argparse
import io
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import yaml
from pydantic import Field, model_validator

from scripts import study
from scripts.gains import gains
from stages.ner.compare import COLOURS
from stages.shared import params
from stages.shared.errors import UserError, run
from stages.shared.outputs import write_json
from stages.shared.tracking import Run, track

AXES = Path("profiles/ablations")
RESULTS = Path("results/ablations")
_STYLES = ("-", "--", ":", "-.")
# Seconds in which an idle worker has ended.
_WORKER_ENDS = 60
# Of ner_compare's arms.csv.
SCORES = (
    "strict_f1",
    "strict_f1_low",
    "strict_f1_high",
    "token_f1",
    "blind_recall",
    "words",
    "steps",
    "runs",
)
# Of select notes, which choose; and of test notes where the axis has a plain point, which confirm.
CHOICE = ("select_f1", "gain", "gain_low", "gain_high", "gain_p")
SCHEMA = {
    "budget": pl.String, "x": pl.Float64, "experiment": pl.String, "status": pl.String, "corpus": pl.String,
    "arm": pl.String, **dict.fromkeys((*SCORES, *CHOICE), pl.Float64),
}  # fmt: skip


class Axis(params.Section):
    """What is varied: keys of params.yaml by point and by budget, `with` at every point."""

    title: str
    x: str
    with_: dict[str, Any] = Field(alias="with", default_factory=dict)
    points: dict[float, dict[str, Any]] = Field(min_length=2)
    budgets: dict[str, dict[str, Any]] = Field(min_length=1)
    # Token F1 of the paper by point, for the shape.
    paper: dict[float, float]
    # The point that the others are to beat, where the axis asks which is best.
    plain: float | None = None

    @model_validator(mode="after")
    def _plain_is_a_point(self) -> "Axis":
        if self.plain is not None and self.plain not in self.points:
            raise ValueError(f"plain is {self.plain:g}, which is none of the points")
        return self


class Point(NamedTuple):
    """One experiment: where it stands in the picture, its name, and what it sets."""

    budget: str
    x: float
    name: str
    settings: dict[str, Any]


def main() -> None:
    """Queue, run and collect the axis named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("axis", help="name of a file in profiles/ablations/, without .yaml")
    parser.add_argument("--profile", required=True, help="name of a file in profiles/: what is not varied")
    parser.add_argument("--collect", action="store_true", help="run nothing, collect what has finished")
    args = parser.parse_args()
    axis = load(args.axis)
    project, settings = study.prepare(args.profile)
    baseline = commit(project)
    wanted = points(args.axis, axis)
    if not args.collect:
        execute(project, wanted, baseline)
    table = collect(project, wanted, baseline)
    if axis.plain is not None:
        table = with_gains(table, axis.plain, project, settings, experiments(project, baseline))
    folder = RESULTS / args.profile / args.axis
    folder.mkdir(parents=True, exist_ok=True)
    table.write_csv(folder / "points.csv", float_precision=6)
    draw(table, axis, folder / "curve.svg")
    declare(RESULTS)
    record = {"commit": study.head(project, "HEAD^"), "machine": study.machine(), "profile": args.profile}
    write_json(folder / "study.json", record | {"missing": missing(table)})
    (folder / "params.yaml").write_text(
        yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    log(args.profile, args.axis, axis, table)
    print(f"{folder}: {len(wanted) - len(missing(table))} of {len(wanted)} points")
    if missing(table):
        raise UserError(
            f"missing: {', '.join(missing(table))}. The reasons: above, and `dvc queue logs NAME` in {project}; "
            "the same command again runs what is missing"
        )


def load(name: str) -> Axis:
    """The axis of that name; UserError if there is none."""
    file = AXES / f"{name}.yaml"
    if not file.is_file():
        known = sorted(path.stem for path in AXES.glob("*.yaml"))
        raise UserError(f"{file}: no such axis; there are {', '.join(known) or 'none'}")
    return params.parse(Axis, "axis", {"axis": yaml.safe_load(file.read_text(encoding="utf-8"))}, file)


def points(name: str, axis: Axis) -> list[Point]:
    """Every point at every budget."""
    return [
        Point(budget, x, _name(name, f"{x:g}", budget), {**axis.with_, **of_budget, **of_point})
        for budget, of_budget in axis.budgets.items()
        for x, of_point in axis.points.items()
    ]


def commit(project: Path) -> str:
    """Commit the study's settings and pointers in its worktree, on no branch; return the commit.

    Queued experiments see tracked files only. The same state gives the same commit, so that what has finished is
    found again.
    """
    date = _git(project, "show", "-s", "--format=%cI", "HEAD")
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
           for key, value in (("NAME", "study"), ("EMAIL", "study@localhost"), ("DATE", date))}  # fmt: skip
    _git(project, "add", "--all")
    _git(
        project,
        "-c",
        "commit.gpgsign=false",
        "commit",
        "--quiet",
        "--allow-empty",
        "--no-verify",
        "-m",
        "Settings of a study",
        **who,
    )
    return study.head(project)


def execute(project: Path, wanted: list[Point], baseline: str) -> None:
    """Queue what has not finished, and run the queue to its end."""
    environment = study.environment()
    finished = experiments(project, baseline)
    _await_worker(project)
    # What an interrupted run left in the queue.
    subprocess.run(
        ["dvc", "queue", "remove", "--all"], cwd=project, env=environment, capture_output=True, check=False
    )
    for point in wanted:
        if point.name in finished:
            continue
        sets = [part for key, value in point.settings.items() for part in ("-S", f"{key}={_value(value)}")]
        command = ["dvc", "exp", "run", "--queue", "--name", point.name, *sets]
        done = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise UserError(f"{point.name} could not be queued: {done.stderr.strip()}")
    try:
        subprocess.run(["dvc", "exp", "run", "--run-all"], cwd=project, env=environment, check=False)
    except KeyboardInterrupt:
        # What runs is no child of that command, which only shows it.
        subprocess.run(["dvc", "queue", "stop", "--kill"], cwd=project, env=environment, check=False)
        raise


def _await_worker(project: Path) -> None:
    """Wait until the queue's worker of an earlier run is gone: it ends itself after ten idle seconds.

    A task that it takes while it ends is lost, and `dvc exp run --run-all` then waits for it for ever (DVC 3.67).
    """
    files = list(project.glob(".dvc/tmp/exps/celery/dvc-exp-worker-*.pid"))
    until = time.monotonic() + _WORKER_ENDS
    while time.monotonic() < until and any(_runs(int(file.read_text())) for file in files):
        time.sleep(0.5)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):  # the number may be another person's process by now
        return False
    return True


def experiments(project: Path, baseline: str) -> dict[str, str]:
    """Commits of the finished experiments on a baseline, by name."""
    prefix = f"refs/exps/{baseline[:2]}/{baseline[2:]}/"
    listed = _git(project, "for-each-ref", "--format=%(refname) %(objectname)", prefix)
    rows = (line.split() for line in listed.splitlines())
    return {name.removeprefix(prefix): revision for name, revision in rows}


def collect(project: Path, wanted: list[Point], baseline: str) -> pl.DataFrame:
    """One row per point, corpus and arm, and one without scores for a point that is missing."""
    finished = experiments(project, baseline)
    rows: list[dict[str, Any]] = []
    for point in wanted:
        own = {"budget": point.budget, "x": point.x, "experiment": point.name}
        arms = _arms(project, finished[point.name]) if point.name in finished else []
        if not arms:
            rows.append(own | {"status": "missing"})
        rows += [
            own | {"status": "done", **{name: arm[name] for name in ("corpus", "arm", *SCORES, "select_f1")}}
            for arm in arms
        ]
    return pl.DataFrame(rows, schema=SCHEMA)


def with_gains(
    table: pl.DataFrame, plain: float, project: Path, settings: Mapping[str, Any], finished: Mapping[str, str]
) -> pl.DataFrame:
    """The table with what each synthetic arm gains over that of the plain point of its budget and corpus."""
    done = table.filter(status="done", arm="synthetic")
    found = []
    for (_, corpus), rows in done.group_by("budget", "corpus", maintain_order=True):
        if plain not in rows["x"]:
            continue
        [reference] = rows.filter(x=plain)["experiment"]
        revisions = {name: finished[name] for name in rows["experiment"]}
        found += [
            (name, corpus, "synthetic", *gain.difference, gain.p)
            for name, gain in gains(project, settings, revisions, reference, corpus, "synthetic").items()
        ]
    keys = ("experiment", "corpus", "arm")
    schema = {name: SCHEMA[name] for name in (*keys, *CHOICE[1:])}
    return table.update(pl.DataFrame(found, schema=schema, orient="row"), on=keys)


def _arms(project: Path, revision: str) -> list[dict[str, Any]]:
    """The rows of all corpora's comparison in an experiment, each with its last F1 on select notes."""
    arms, curves = (_tables(project, revision, name) for name in ("arms", "curves"))
    if arms is None or curves is None:
        return []
    last = curves.filter(pl.col("step") == pl.col("step").max().over("corpus", "arm", "fold", "seed"))
    chosen = last.group_by("corpus", "arm").agg(pl.col("select_f1").mean())
    return arms.join(chosen, on=["corpus", "arm"], how="left", maintain_order="left").to_dicts()


def _tables(project: Path, revision: str, name: str) -> pl.DataFrame | None:
    """That table of ner_compare, of all corpora; None where the experiment has none."""
    listed = _git(project, "ls-tree", "-r", "--name-only", revision, "metrics/ner/compare")
    paths = [path for path in listed.splitlines() if path.endswith(f"/{name}.csv")]
    tables = [
        pl.read_csv(io.StringIO(_git(project, "show", f"{revision}:{path}")), infer_schema_length=None)
        for path in paths
    ]
    return pl.concat(tables) if tables else None


def missing(table: pl.DataFrame) -> list[str]:
    """Names of the experiments that have not finished."""
    return table.filter(status="missing")["experiment"].to_list()


def draw(table: pl.DataFrame, axis: Axis, file: Path) -> None:
    """Our curves with intervals, and beside them the paper's shape; missing points are crosses at the bottom."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    # The same table gives the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "deidsynth", "font.size": 9, "axes.spines.top": False,
                                "axes.spines.right": False})  # fmt: skip
    wide = 2 if axis.paper else 1
    figure, panes = pyplot.subplots(1, wide, figsize=(5.2 * wide, 3.6), squeeze=False, layout="constrained")
    ours = panes[0][0]
    done = table.filter(status="done")
    styles = dict(zip(axis.budgets, _STYLES, strict=False))
    for (corpus, arm, budget), rows in done.group_by("corpus", "arm", "budget", maintain_order=True):
        # A point that is missing leaves a gap.
        rows = pl.DataFrame({"x": sorted(axis.points)}).join(rows, on="x", how="left").sort("x")
        ours.errorbar(
            rows["x"], rows["strict_f1"],
            yerr=[rows["strict_f1"] - rows["strict_f1_low"], rows["strict_f1_high"] - rows["strict_f1"]],
            marker="o", markersize=4, capsize=3, linestyle=styles[budget], color=COLOURS.get(arm, "#000000"),
            label=", ".join([arm, *([budget] if len(styles) > 1 else []),
                             *([corpus] if done["corpus"].n_unique() > 1 else [])]),
        )  # fmt: skip
    absent = table.filter(status="missing")["x"].unique().sort().to_list()
    if absent:
        bottom = ours.get_xaxis_transform()
        ours.plot(
            absent,
            [0.02] * len(absent),
            "x",
            color="#555555",
            transform=bottom,
            label="missing",
            clip_on=False,
        )
    ours.set(title=f"{axis.title}: ours, strict span F1", xlabel=axis.x, xticks=list(axis.points))
    if done.height or absent:
        ours.legend(fontsize=8, frameon=False)
    if axis.paper:
        theirs = panes[0][1]
        theirs.plot(list(axis.paper), list(axis.paper.values()), "s-", color="#555555")
        theirs.set(title="Paper's shape, token F1, full-size models", xlabel=axis.x, xticks=list(axis.paper))
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def declare(results: Path) -> None:
    """Write a dvc.yaml that names all curves, so that `dvc plots show` shows them beside the pipeline's plots."""
    curves = sorted(file.relative_to(results).as_posix() for file in results.glob("*/*/curve.svg"))
    (results / "dvc.yaml").write_text(yaml.safe_dump({"plots": curves}), encoding="utf-8")


def log(profile: str, name: str, axis: Axis, table: pl.DataFrame) -> None:
    """A run per curve, whose steps are the points, so that MLflow draws the sweep."""
    for (corpus, arm, budget), rows in table.filter(status="done").group_by(
        "corpus", "arm", "budget", maintain_order=True
    ):
        cell = f"{name} {corpus} {arm} {budget}"
        tags = {
            "axis": name,
            "corpus": corpus,
            "arm": arm,
            "budget": budget,
            "mlflow.note.content": axis.title,
        }
        if arm in COLOURS:
            tags["mlflow.runColor"] = COLOURS[arm]
        with track(f"ablation/{profile}", cell, {"axis": name, "budget": budget}, tags, replace=True) as run_:
            _points(run_, name, rows)


def _points(run_: Run, name: str, rows: pl.DataFrame) -> None:
    for row in rows.sort("x").iter_rows(named=True):
        scores = {score: row[score] for score in ("strict_f1", "token_f1", "blind_recall")}
        run_.metrics({name: scores}, step=round(row["x"]))


def _name(axis: str, x: str, budget: str) -> str:
    """A name that git takes for a reference."""
    return "-".join("".join(c if c.isalnum() else "-" for c in part) for part in (axis, x, budget))


def _value(value: Any) -> str:
    """A value as `-S` reads it."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return "[" + ",".join(map(_value, value)) + "]"
    return str(value)


def _git(project: Path, *arguments: str, **variables: str) -> str:
    return study.output("git", *arguments, cwd=project, **variables)


if __name__ == "__main__":
    run(main)
