"""Compare the mixtures: what does pretraining on rewritten notes buy? (DVC stage `pretraining_compare`)"""

from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from stages.pretraining import comparison, tables
from stages.pretraining.claims import Claim, Roles, claims, doubts
from stages.pretraining.comparison import Trained
from stages.pretraining.corpus import Rewriting
from stages.runtime.errors import UserError
from stages.runtime.grid import Grid
from stages.runtime.mlflow_store import describe
from stages.runtime.outputs import read_json, write_json
from stages.runtime.params import Section
from stages.runtime.stage import InFolder, OutFolder, stage
from stages.runtime.tracking import track
from stages.scoring import scores
from stages.scoring.intervals import Bootstrap

QUESTION = "What does pretraining on rewritten notes buy? Every model is scored on the same real notes"
# Colours that colour-blind people can tell apart (Okabe and Ito), by the place of the row.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")


class Compare(Section):
    """What the comparison of mixtures tests, and how its intervals are computed."""

    at: ClassVar[str] = "pretraining.compare"

    roles: Roles = Roles()
    """Which mixtures the claims are about."""
    bootstrap: Bootstrap
    """Resampling of groups of texts for the intervals, the same for all rows."""


@stage("pretraining.compare")
def compare(
    corpus: str,
    data: InFolder,
    mix: InFolder,
    pretrain: InFolder,
    out: OutFolder,
    settings: Compare,
    grid: Grid,
    rewriting: Rewriting,
) -> str:
    """Compare the mixtures by bits per byte on real notes and by downstream scores, and test the claims of paper 2.

    data: folder of the rewritten texts, losses and probes.
    mix: folder of the metrics of pretraining_mix.
    pretrain: folder of the metrics of pretraining_pretrain.
    out: tables, claims, and the data of the plots.
    """
    roles, bootstrap = settings.roles, settings.bootstrap
    if roles.real not in grid.mixtures:
        raise UserError(f"params.yaml: pretraining.compare.roles.real is {roles.real}, not one of grid.mixtures")
    losses = {name: comparison.read_losses(data / "losses", name, corpus, grid) for name in grid.mixtures}
    counts = {
        task: {name: comparison.read_counts(data / "probe" / task, name, corpus, grid) for name in grid.mixtures}
        for task in grid.tasks
    }
    trained = comparison.read_trained(pretrain, corpus, grid)
    mixed = {name: [read_json(mix / name / corpus / f"{fold}.json") for fold in grid.folds] for name in grid.mixtures}
    writers = comparison.writer_rows(data / "texts" / "real", corpus, grid)
    predicted = comparison.perplexity_rows(losses, mixed, trained, roles.real, bootstrap)
    downstream = comparison.downstream_rows(counts, roles.real, bootstrap)
    tested = claims(losses, counts, trained, roles, bootstrap, doubts(writers, rewriting.clinical_notes))
    curves = comparison.curve_rows(trained)
    frames = {"perplexity": predicted, "downstream": downstream, "writers": writers, "curves": curves}
    for name, frame in frames.items():
        frame.fill_nan(None).write_csv(out / f"{name}.csv", float_precision=6)
    write_json(out / "summary.json", summary(predicted, downstream, tested))
    report = tables.report(predicted, downstream, writers, tested, roles.real)
    table = out / "table.md"
    table.write_text(report, encoding="utf-8")
    others = (out.parent / name / "table.md" for name in grid.rewritten)
    charts = [f"1 bits per byte/{name}" for name in predicted["of"].unique(maintain_order=True)]
    charts += [f"2 downstream/{name}" for name in downstream["of"].unique(maintain_order=True)]
    reports = [table if path.parent.name == corpus else path for path in others]
    describe("pretraining/compare", QUESTION, reports, charts, columns=len(charts))
    log(corpus, grid, predicted, downstream, trained, table)
    return f"\n{report}"


def summary(predicted: pl.DataFrame, downstream: pl.DataFrame, tested: Iterable[Claim]) -> dict[str, dict[str, Any]]:
    """The headline numbers: bits per byte and scores by mixture, verdicts by claim."""

    def by_mixture(rows: pl.DataFrame, name: str) -> dict[str, float | None]:
        return dict(zip(rows["mixture"], map(scores.rounded, rows[name]), strict=True))

    return {
        "bits_per_byte": by_mixture(predicted.filter(of="test"), "bits_per_byte"),
        "scores": {task: by_mixture(rows, "score") for (task,), rows in downstream.group_by("of")},
        "claims": {claim.name: claim.verdict for claim in tested},
    }


def log(
    corpus: str, grid: Grid, predicted: pl.DataFrame, downstream: pl.DataFrame, trained: Trained, report: Path
) -> None:
    """One MLflow run per mixture: bits per byte, downstream scores, and the first replicate's learning curves."""
    note = report.read_text(encoding="utf-8")
    # MLflow lists the newest run first: the last logged is the first row.
    for mixture, colour in reversed(list(zip(grid.mixtures, cycle(_COLOURS), strict=False))):
        axes = {"corpus": corpus, "mixture": mixture}
        tags = axes | {"mlflow.note.content": note, "mlflow.runColor": colour}
        with track("pretraining/compare", f"{corpus} {mixture}", axes, tags, replace=True) as run:
            bits, by_task = predicted.filter(mixture=mixture), downstream.filter(mixture=mixture)
            run.log({"1 bits per byte": dict(bits.select("of", "bits_per_byte").iter_rows())})
            run.log({"2 downstream": {row["of"]: row["score"] for row in by_task.iter_rows(named=True)}})
            for kind in ("decoder", "encoder"):
                for point in trained[kind, mixture][0]["curve"]:
                    run.log({"3 validation loss": {kind: point["loss"]}}, step=point["step"])
            run.artifact(report)


if __name__ == "__main__":
    compare.main()
