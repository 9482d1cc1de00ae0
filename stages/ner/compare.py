"""Lay the arms side by side: what did training on invented notes cost? DVC stage `ner_compare`.

Driven by `grid`, not by what lies in the folders: DVC leaves the outputs of removed cells behind.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from stages.shared import notes, params, scoring
from stages.shared.console import say
from stages.shared.errors import UserError, run
from stages.shared.grid import Grid
from stages.shared.outputs import building, read_json, write_json
from stages.shared.scoring import SCORES, Counts
from stages.shared.tracking import describe, track


class Compare(params.Section):
    """Section ner.compare."""

    reference: str
    blind: bool
    bootstrap: scoring.Bootstrap


class Cell(NamedTuple):
    """One trained and scored model."""

    corpus: str
    arm: str
    fold: int
    seed: int

    @property
    def name(self) -> str:
        """How a person reads it in MLflow."""
        return f"{self.corpus} {self.arm} fold {self.fold} seed {self.seed}"

    @property
    def path(self) -> str:
        """Where it lies below the folders of `Sources`."""
        return f"{self.arm}/{self.corpus}/{self.fold}/{self.seed}"


class Sources(NamedTuple):
    """The folders that hold all cells."""

    train: Path
    evaluate: Path
    predictions: Path
    split: Path

    def metrics(self, cell: Cell) -> tuple[Path, Path]:
        """The metrics files of a cell: of its training, of its evaluation."""
        return self.train / f"{cell.path}.json", self.evaluate / f"{cell.path}.json"

    def tables(self, cell: Cell) -> tuple[Path, Path, Path]:
        """The note tables of a cell: predicted, gold test, gold training."""
        split = self.split / cell.corpus / str(cell.fold)
        return self.predictions / cell.path, split / "test", split / "train"


# The scores of a row of the table, by column.
COLUMNS = {
    "strict_f1": "strict F1",
    "strict_precision": "P",
    "strict_recall": "R",
    "token_f1": "token F1",
    "blind_recall": "PII words hidden",
    "clean_notes": "clean notes",
    "leaks_per_note": "leaks per note",
    "seen_recall": "R seen",
    "unseen_recall": "R unseen",
}
QUESTION = "What does training on invented notes cost? Every arm is scored on the same real test notes"
BLIND = {
    True: "which no choice has looked at",
    False: "whose scores were seen while settings were chosen, so they flatter all arms",
}
# Colours that colour-blind people tell apart (Okabe and Ito).
COLOURS = {"real": "#0072B2", "annotator": "#56B4E9", "synthetic": "#D55E00", "mixed": "#009E73"}


def cells(grid: Grid, corpus: str) -> list[Cell]:
    """All cells of a corpus, in the order of the table."""
    return [Cell(corpus, arm, fold, seed) for arm in grid.arms for seed in grid.seeds for fold in grid.folds]


def require(sources: Sources, wanted: Iterable[Cell]) -> None:
    """Raise UserError that names every cell without its metrics or predictions."""
    missing = []
    for cell in wanted:
        tables = [folder / notes.FILE for folder in sources.tables(cell)]
        absent = [str(path) for path in (*sources.metrics(cell), *tables) if not path.is_file()]
        if absent:
            missing.append(f"{cell.name}: no {', '.join(absent)}")
    if missing:
        raise UserError("\n".join([*missing, "`dvc repro` makes these cells; or take them out of `grid`"]))


def count(
    sources: Sources, wanted: Iterable[Cell]
) -> tuple[dict[tuple[str, str], list[Counts]], dict[tuple[str, str], Counter[tuple[str, str]]]]:
    """By corpus and arm, the counts of each seed over the test notes of all folds, and the words of all by gold and
    predicted label.
    """

    @cache
    def seen(training: Path) -> frozenset[str]:
        return scoring.surfaces(notes.read(training))

    folds: dict[tuple[str, str, int], list[Counts]] = {}
    words: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
    for cell in wanted:
        predicted, test, training = sources.tables(cell)
        pairs = zip(notes.read(test), notes.read(predicted), strict=True)
        found = words.setdefault((cell.corpus, cell.arm), Counter())
        counts = scoring.count(scoring.confused(pairs, found), seen(training))
        folds.setdefault((cell.corpus, cell.arm, cell.seed), []).append(counts)
    replicates: dict[tuple[str, str], list[Counts]] = {}
    for (corpus, arm, _), parts in folds.items():
        replicates.setdefault((corpus, arm), []).append(scoring.pool(parts))
    return replicates, words


def arm_rows(
    counts: Mapping[tuple[str, str], Sequence[Counts]],
    trained: Mapping[Cell, Mapping[str, Any]],
    settings: Compare,
) -> pl.DataFrame:
    """One row per corpus and arm: scores with intervals, paired difference to the reference, what it learnt from."""
    rows = []
    for (corpus, arm), replicates in counts.items():
        reference = counts[corpus, settings.reference]
        drawn = scoring.resample(replicates, settings.bootstrap)
        minus = scoring.difference(scoring.strict_f1, replicates, reference, settings.bootstrap)
        chance = scoring.randomisation(scoring.strict_f1, replicates, reference, settings.bootstrap)
        runs = [content for cell, content in trained.items() if (cell.corpus, cell.arm) == (corpus, arm)]
        rows.append(
            {
                "corpus": corpus,
                "arm": arm,
                **{name: float(scoring.mean(SCORES[name], replicates)) for name in COLUMNS},
                **{
                    f"{name}_{side}": value
                    for name in COLUMNS
                    for side, value in zip(
                        ("low", "high"),
                        scoring.interval(scoring.over_replicates(SCORES[name](drawn), settings.bootstrap)),
                        strict=True,
                    )
                },
                "difference": minus.value,
                "difference_low": minus.low,
                "difference_high": minus.high,
                "difference_p": chance,
                **{
                    name: sum(run_[name] for run_ in runs) / len(runs) for name in ("notes", "words", "steps")
                },
                "test_notes": len(replicates[0].note_ids),
                "runs": len(runs),
            }
        )
    return pl.DataFrame(rows)


def label_rows(counts: Mapping[tuple[str, str], Sequence[Counts]]) -> pl.DataFrame:
    """One row per corpus, label and arm: strict F1 and the number of gold spans."""
    rows = [
        {"corpus": corpus, "label": label, "arm": arm, "strict_f1": float(score), "gold": int(gold)}
        for (corpus, arm), replicates in counts.items()
        for totals in [scoring.total(replicates)]
        for label, score, gold in zip(
            totals.labels,
            scoring.mean(scoring.label_f1, replicates),
            totals.of_labels("gold").mean(axis=0),
            strict=True,
        )
    ]
    return pl.DataFrame(rows).sort("corpus", "label", maintain_order=True)


def operation_rows(evaluated: Mapping[Cell, Mapping[str, Any]]) -> pl.DataFrame:
    """One row per cell and bias against O, and one, without a bias, for the biases chosen on the select notes."""
    rows = [
        cell._asdict() | point
        for cell, content in evaluated.items()
        for point in (*content["recall_first"]["curve"], content["recall_first"]["scores"])
    ]
    return pl.DataFrame(rows, infer_schema_length=None).cast({"bias": pl.Float64})


def confusion_rows(words: Mapping[tuple[str, str], Mapping[tuple[str, str], int]]) -> pl.DataFrame:
    """One row per corpus, arm, gold and predicted label: words, over all folds and seeds."""
    rows = [(*of, *labels, number) for of, found in words.items() for labels, number in found.items()]
    frame = pl.DataFrame(rows, schema=["corpus", "arm", "gold", "predicted", "words"], orient="row")
    return frame.sort("corpus", "arm", "gold", "predicted")


def curve_rows(trained: Mapping[Cell, Mapping[str, Any]]) -> pl.DataFrame:
    """One row per cell and evaluation during training."""
    return pl.DataFrame(
        [
            {**cell._asdict(), **{name: point.get(name) for name in ("step", "train_loss", "select_f1")}}
            for cell, content in trained.items()
            for point in content["curve"]
        ],
        schema_overrides={"train_loss": pl.Float64, "select_f1": pl.Float64},
        infer_schema_length=None,
    )


def summary(arms: pl.DataFrame, reference: str) -> dict[str, Any]:
    """The headline numbers by corpus: strict F1 of each arm, each arm's ratio and difference to the reference."""
    result: dict[str, dict[str, Any]] = {}
    for row in arms.iter_rows(named=True):
        numbers = result.setdefault(row["corpus"], {})
        arm = row["arm"]
        numbers[f"{arm}_strict_f1"] = scoring.rounded(row["strict_f1"])
        if arm == "synthetic":
            [base] = arms.filter(corpus=row["corpus"], arm=reference)["strict_f1"]
            numbers[f"{arm}_over_{reference}"] = scoring.rounded(
                row["strict_f1"] / base if base else float("nan")
            )
            for side in ("", "_low", "_high"):
                numbers[f"{arm}_minus_{reference}{side}"] = scoring.rounded(row[f"difference{side}"])
            numbers[f"{arm}_blind_recall"] = scoring.rounded(row["blind_recall"])
    return result


def table(arms: pl.DataFrame, operated: pl.DataFrame, settings: Compare) -> str:
    """The comparison as Markdown: one row per corpus and arm, what the columns are, and recall-first operation."""
    head = [
        "corpus",
        "trained on",
        *COLUMNS.values(),
        f"F1 minus {settings.reference} (95 %)",
        "p",
        "notes",
        "words",
        "steps",
    ]
    head[head.index("strict F1")] = "strict F1 (95 %)"
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2)]
    for row in arms.iter_rows(named=True):
        scores = {name: _show(row[name]) for name in COLUMNS}
        scores["strict_f1"] = (
            f"**{scores['strict_f1']}** ({_show(row['strict_f1_low'])}–{_show(row['strict_f1_high'])})"
        )
        minus = chance = "—"
        if row["arm"] != settings.reference:
            sides = (f"{row[name]:+.3f}" for name in ("difference", "difference_low", "difference_high"))
            minus, chance = "{} ({} to {})".format(*sides), f"{row['difference_p']:.3f}"
        volume = [f"{row[name]:,.0f}" for name in ("notes", "words", "steps")]
        lines.append([row["corpus"], row["arm"], *scores.values(), minus, chance, *volume])
    first = arms.row(0, named=True)
    return "\n".join(
        [
            *("| " + " | ".join(line) + " |" for line in lines),
            "",
            f"Scored on real test notes ({first['test_notes']} in {first['corpus']}), {BLIND[settings.blind]}; "
            f"{first['runs']} model(s) per arm. Intervals: {settings.bootstrap.samples:,} draws of note groups, "
            "the same for all arms; p: as many random swaps of two arms. What each number means: docs/metrics.md.",
            "",
            *operation_table(operated),
        ]
    )


def operations(operated: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Every arm's default and recall-first operation: mean scores over folds and seeds; `needless` is hidden so."""
    for arm in operated["arm"].unique(maintain_order=True):
        for name, chosen in (("default", pl.col("bias") == 0), ("recall-first", pl.col("bias").is_null())):
            rows = operated.filter(chosen, arm=arm).with_columns(needless=1 - pl.col("blind_precision"))
            yield {"arm": arm, "operation": name} | rows.select(pl.col(pl.Float64).mean()).row(0, named=True)


def operation_table(operated: pl.DataFrame) -> list[str]:
    """Lines of Markdown: what a bias against O, chosen on the select notes, hides more, and what it costs."""
    head = [
        "trained on",
        "operation",
        "PII words hidden",
        "clean notes",
        "leaks per note",
        "hidden without need",
        "R",
    ]
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2)]
    names = ("blind_recall", "clean_notes", "leaks_per_note", "needless", "strict_recall")
    for row in operations(operated):
        lines.append([row["arm"], row["operation"], *(_show(row[name]) for name in names)])
    return [
        *("| " + " | ".join(line) + " |" for line in lines),
        "",
        "Recall-first: the decoder prefers each label to O by a bias chosen on real, tagged select notes.",
        "",
    ]


def log(cell: Cell, trained: Mapping[str, Any], evaluated: Mapping[str, Any], report: Path) -> None:
    """One MLflow run: final scores, F1 of each label, the learning curve, and the table of all arms.

    It takes the place of the cell's earlier run: the page shows each cell once. MLflow puts what stands before a
    slash in a section of its own and sorts the sections, hence their numbers; an arm has one colour in all charts.
    """
    tags = {name: str(value) for name, value in cell._asdict().items()}
    tags["mlflow.note.content"] = report.read_text(encoding="utf-8")
    if cell.arm in COLOURS:
        tags["mlflow.runColor"] = COLOURS[cell.arm]
    budget = {f"training {name}": trained[name] for name in ("notes", "words", "steps")}
    with track("ner/compare", cell.name, {**cell._asdict(), **budget}, tags, replace=True) as run_:
        labels = {label: row["f1"] for label, row in evaluated["labels"].items()}
        run_.metrics({"1 test": {name: evaluated["scores"][name] for name in COLUMNS}, "2 label F1": labels})
        for point in trained["curve"]:
            curve = {name: point.get(name) for name in ("select_f1", "train_loss")}
            run_.metrics({"3 training": curve}, step=point["step"])
        run_.artifact(report)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="name of the corpus in params.yaml")
    parser.add_argument("--train", required=True, help="folder of the metrics of ner_train")
    parser.add_argument("--evaluate", required=True, help="folder of the metrics of ner_evaluate")
    parser.add_argument("--predictions", required=True, help="folder of the note tables with predicted spans")
    parser.add_argument("--split", required=True, help="folder of the gold notes by corpus, fold and role")
    parser.add_argument(
        "--out", required=True, help="folder to write: the table, its data and the plots' data"
    )
    args = parser.parse_args()
    settings = params.load(Compare, "ner.compare")
    grid = params.load(Grid, "grid")
    sources = Sources(*map(Path, (args.train, args.evaluate, args.predictions, args.split)))
    if settings.reference not in grid.arms:
        raise UserError(
            f"params.yaml: ner.compare.reference is {settings.reference}, which is not among grid.arms"
        )
    wanted = cells(grid, args.corpus)
    require(sources, wanted)

    trained, evaluated = (
        {cell: read_json(sources.metrics(cell)[side]) for cell in wanted} for side in (0, 1)
    )
    counts, words = count(sources, wanted)
    arms = arm_rows(counts, trained, settings)
    operated = operation_rows(evaluated)
    report = table(arms, operated, settings)
    with building(args.out) as out:
        out.mkdir()
        frames = {
            "arms": arms,
            "labels": label_rows(counts),
            "confusion": confusion_rows(words),
            "operation": operated,
            "curves": curve_rows(trained),
        }
        for name, frame in frames.items():
            frame.fill_nan(None).write_csv(out / f"{name}.csv", float_precision=6)
        write_json(out / "summary.json", summary(arms, settings.reference))
        (out / "table.md").write_text(report, encoding="utf-8")
    # MLflow lists the newest run first: the last logged is the first row.
    for cell in reversed(wanted):
        log(cell, trained[cell], evaluated[cell], Path(args.out) / "table.md")
    tables = [Path(args.out).parent / corpus / "table.md" for corpus in grid.synthesized]
    describe("ner/compare", QUESTION, tables)
    say(report)


def _show(score: float | None) -> str:
    return "—" if score is None or score != score else f"{score:.3f}"


if __name__ == "__main__":
    run(main)
