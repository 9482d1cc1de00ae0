"""Vary one thing and draw the curve: `make ablation AXIS=adaptation PROFILE=meddocan-ablation`.

profiles/ablations/<axis>.yaml names the points. Each is a DVC experiment on the profile's study (scripts/study.py),
run in a temporary copy (`dvc exp run --temp -S ...`); the run cache provides what points share. The finished ones are
collected into results/ablations/<profile>/<axis>/: points.csv, where a point that failed or has not run is missing,
curve.svg (which `dvc plots show` shows too), and one MLflow run per curve in the experiment `ablation/<profile>`.
"""

import argparse
import json
import re
import shutil
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import yaml
from pydantic import Field, model_validator

from scripts import study
from scripts.gains import with_gains
from stages.ner.cells import COLOURS
from stages.runtime import params
from stages.runtime.errors import UserError, run
from stages.runtime.outputs import write_json
from stages.runtime.tracking import track

AXES = study.PROFILES / "ablations"
RESULTS = study.RESULTS / "ablations"
_STYLES = ("-", "--", ":", "-.")
# Columns of ner_compare's arms.csv.
SCORES = ("strict_f1", "strict_f1_low", "strict_f1_high", "token_f1", "blind_recall", "words", "steps", "runs")
# F1 on the select notes, by which a point is chosen, and on the test notes the gain over the plain point.
CHOICE = ("select_f1", "gain", "gain_low", "gain_high", "gain_p")
SCHEMA = {
    "budget": pl.String, "x": pl.Float64, **dict.fromkeys(("experiment", "status", "corpus", "arm"), pl.String),
    **dict.fromkeys((*SCORES, *CHOICE), pl.Float64),
}  # fmt: skip


class Axis(params.Section):
    """What is varied: settings by point and by budget, and those that every point has."""

    title: str
    """Title of the figure."""
    x: str
    """Label of the x axis."""
    with_: dict[str, Any] = Field(alias="with", default_factory=dict)
    """Settings of every point: dotted keys of params.yaml with their values."""
    points: dict[float, dict[str, Any]] = Field(min_length=2)
    """The settings of each point, by its place on the x axis."""
    budgets: dict[str, dict[str, Any]] = Field(min_length=1, max_length=len(_STYLES))
    """The settings of each curve, by its name."""
    paper: dict[float, float] = Field(default_factory=dict)
    """The paper's token F1 by point, whose shape may be compared with ours."""
    plain: float | None = None
    """The point that the others are tested against, if the axis asks which is best."""

    @model_validator(mode="after")
    def _plain_is_a_point(self) -> "Axis":
        if self.plain is not None and self.plain not in self.points:
            raise ValueError(f"plain is {self.plain:g}, which is none of the points")
        return self


class Point(NamedTuple):
    """One experiment: its curve, its place on the x axis, its name, and the settings it changes."""

    budget: str
    x: float
    name: str
    settings: dict[str, Any]


def main() -> None:
    """Run and collect the axis named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("axis", help="name of a file in profiles/ablations/, without .yaml")
    parser.add_argument("--profile", required=True, help="name of a file in profiles/: everything that is not varied")
    parser.add_argument("--collect", action="store_true", help="run nothing; collect what has finished")
    args = parser.parse_args()
    axis = load(args.axis)
    project, settings = study.prepare(args.profile)
    baseline = commit(project)
    wanted = points(args.axis, axis)
    if not args.collect:
        execute(project, wanted, baseline)
    finished = experiments(project, baseline)
    table = collect(project, wanted, finished)
    if axis.plain is not None:
        table = with_gains(table, axis.plain, project, settings, finished)
    folder = RESULTS / args.profile / args.axis
    folder.mkdir(parents=True, exist_ok=True)
    table.write_csv(folder / "points.csv", float_precision=6)
    draw(table, axis, folder / "curve.svg")
    # So that `dvc plots show` shows all curves beside the pipeline's plots.
    curves = sorted(file.relative_to(RESULTS).as_posix() for file in RESULTS.glob("*/*/curve.svg"))
    (RESULTS / "dvc.yaml").write_text(yaml.safe_dump({"plots": curves}), encoding="utf-8")
    missing = table.filter(status="missing")["experiment"].to_list()
    record = {"commit": study.head(project, "HEAD^"), "machine": study.machine(), "profile": args.profile}
    write_json(folder / "study.json", record | {"missing": missing})
    shutil.copy(project / "params.yaml", folder)
    log(args.profile, args.axis, axis, table)
    print(f"{folder}: {len(wanted) - len(missing)} of {len(wanted)} points")
    if missing:
        again = "run the same command again to run what is missing"
        raise UserError(f"missing: {', '.join(missing)}, for the reasons above; {again}")


def load(name: str) -> Axis:
    """The axis of that name; UserError if there is none."""
    file = study.named(AXES, name, "axis")
    return params.parse(Axis, "axis", {"axis": params.read(file)}, file)


def points(axis_name: str, axis: Axis) -> list[Point]:
    """Every point at every budget. Names have only characters that git accepts in a reference."""
    return [
        Point(
            budget, x, re.sub(r"[\W_]", "-", f"{axis_name}-{x:g}-{budget}"), {**axis.with_, **of_budget, **of_point}
        )
        for budget, of_budget in axis.budgets.items()
        for x, of_point in axis.points.items()
    ]


def commit(project: Path) -> str:
    """Commit the study's settings and pointers in its worktree, on no branch; return the commit.

    Experiments see only tracked files. The same state gives the same commit, so finished experiments are found again.
    """
    date = study.output("git", "show", "-s", "--format=%cI", "HEAD", cwd=project)
    study.output("git", "add", "--all", cwd=project)
    identity = ("-c", "user.name=study", "-c", "user.email=study@localhost", "-c", "commit.gpgsign=false")
    options = ("--quiet", "--allow-empty", "--no-verify", "--date", date, "-m", "Settings of a study")
    study.output("git", *identity, "commit", *options, cwd=project, GIT_COMMITTER_DATE=date)
    return study.head(project)


def execute(project: Path, wanted: list[Point], baseline: str) -> None:
    """Run what has not finished. A point that fails does not stop the others."""
    finished = experiments(project, baseline)
    for point in wanted:
        if point.name in finished:
            continue
        # `++` also sets keys that params.yaml leaves at their defaults.
        changes = [part for key, value in point.settings.items() for part in ("-S", f"++{key}={json.dumps(value)}")]
        command = ["dvc", "exp", "run", "--temp", "--name", point.name, *changes]
        subprocess.run(command, cwd=project, env=study.environment(), check=False)


def experiments(project: Path, baseline: str) -> dict[str, str]:
    """Commits of the finished experiments on a baseline, by name."""
    from dvc.repo import Repo

    with closing(Repo(str(project))) as repo:
        return dict(repo.experiments.ls(rev=baseline).get(baseline, []))


def collect(project: Path, wanted: list[Point], finished: dict[str, str]) -> pl.DataFrame:
    """One row per point, corpus and arm, and one without scores for a point that is missing."""
    rows: list[dict[str, Any]] = []
    for point in wanted:
        place = {"budget": point.budget, "x": point.x, "experiment": point.name}
        arms = _arms(project, finished[point.name]) if point.name in finished else []
        rows += [place | {"status": "done"} | arm for arm in arms] or [place | {"status": "missing"}]
    return pl.DataFrame(rows, schema=SCHEMA)


def _arms(project: Path, revision: str) -> list[dict[str, Any]]:
    """The rows of ner_compare in an experiment, for all corpora, each with its final F1 on the select notes."""
    from dvc.repo import Repo

    with closing(Repo(str(project), rev=revision)) as repo:

        def tables(name: str) -> list[pl.DataFrame]:
            files = repo.dvcfs.glob(f"metrics/ner/compare/*/{name}.csv")
            return [pl.read_csv(repo.dvcfs.read_bytes(file), infer_schema_length=None) for file in files]

        arms, curves = tables("arms"), tables("curves")
    if not arms or not curves:
        return []
    last = pl.concat(curves).filter(pl.col("step") == pl.col("step").max().over("corpus", "arm", "fold", "seed"))
    final = last.group_by("corpus", "arm").agg(pl.col("select_f1").mean())
    rows = pl.concat(arms).join(final, on=["corpus", "arm"], how="left", maintain_order="left")
    return rows.select("corpus", "arm", *SCORES, "select_f1").to_dicts()


def draw(table: pl.DataFrame, axis: Axis, file: Path) -> None:
    """Draw our curves with their intervals, and the paper's beside them; missing points are crosses at the bottom."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    # With a fixed salt the same table gives the same file.
    style = {"svg.hashsalt": "deidsynth", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    matplotlib.rcParams.update(style)
    wide = 2 if axis.paper else 1
    figure, panes = pyplot.subplots(1, wide, figsize=(5.2 * wide, 3.6), squeeze=False, layout="constrained")
    ours = panes[0][0]
    done = table.filter(status="done")
    styles = dict(zip(axis.budgets, _STYLES, strict=False))
    for (corpus, arm, budget), rows in done.group_by("corpus", "arm", "budget", maintain_order=True):
        # A missing point leaves a gap.
        rows = pl.DataFrame({"x": sorted(axis.points)}).join(rows, on="x", how="left").sort("x")
        f1, low, high = (rows[name] for name in ("strict_f1", "strict_f1_low", "strict_f1_high"))
        label = [arm, *[budget][: len(styles) - 1], *[corpus][: done["corpus"].n_unique() - 1]]
        ours.errorbar(
            rows["x"], f1, yerr=[f1 - low, high - f1], marker="o", markersize=4, capsize=3, linestyle=styles[budget],
            color=COLOURS.get(arm, "#000000"), label=", ".join(label),
        )  # fmt: skip
    if missing := table.filter(status="missing")["x"].unique().sort().to_list():
        bottom = {"transform": ours.get_xaxis_transform(), "clip_on": False}
        ours.plot(missing, [0.02] * len(missing), "x", color="#555555", label="missing", **bottom)
    ours.set(title=f"{axis.title}: ours, strict span F1", xlabel=axis.x, xticks=list(axis.points))
    ours.legend(fontsize=8, frameon=False)
    if axis.paper:
        theirs = panes[0][1]
        theirs.plot(list(axis.paper), list(axis.paper.values()), "s-", color="#555555")
        theirs.set(title="Paper's shape, token F1, full-size models", xlabel=axis.x, xticks=list(axis.paper))
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def log(profile: str, name: str, axis: Axis, table: pl.DataFrame) -> None:
    """Log one MLflow run per curve, whose steps are the points."""
    curves = table.filter(status="done").group_by("corpus", "arm", "budget", maintain_order=True)
    for (corpus, arm, budget), rows in curves:
        tags = {"axis": name, "corpus": corpus, "arm": arm, "budget": budget, "mlflow.note.content": axis.title}
        tags |= {"mlflow.runColor": COLOURS[arm]} if arm in COLOURS else {}
        cell = f"{name} {corpus} {arm} {budget}"
        with track(f"ablation/{profile}", cell, {"axis": name, "budget": budget}, tags, replace=True) as tracker:
            for row in rows.sort("x").iter_rows(named=True):
                scores = {score: row[score] for score in ("strict_f1", "token_f1", "blind_recall")}
                tracker.log({name: scores}, step=round(row["x"]))


if __name__ == "__main__":
    run(main)
