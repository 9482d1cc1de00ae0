"""The arms of a corpus compared: scores, labels, confused words, operating points, curves, and a table."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import polars as pl
from pydantic import Field

from stages.ner.cells import Cell, Sources
from stages.notes import note_table
from stages.runtime import markdown
from stages.runtime.grid import Grid
from stages.runtime.params import Section
from stages.scoring import counting, intervals, scores
from stages.scoring.counting import Counts

QUESTION = "What does training on invented notes cost? Every arm is scored on the same real test notes"
# What is said of the test notes, by `Compare.blind`.
BLIND = {
    True: "on which no setting was chosen",
    False: "whose scores were known while settings were chosen, so they flatter every arm",
}
# The scores that the arms are compared by, and what tables call them.
COLUMNS = {
    "strict_f1": "strict F1",
    "strict_precision": "precision",
    "strict_recall": "recall",
    "token_f1": "token F1",
    "blind_recall": "PII words hidden",
    "clean_notes": "clean notes",
    "leaks_per_note": "leaks per note",
    "seen_recall": "recall, seen PII",
    "unseen_recall": "recall, unseen PII",
}
# The recall-first operating points by the notes that they were chosen on.
_CHOSEN_ON = {"invented": "recall-first, on invented notes", "select": "recall-first"}
# The scores of an operating point in the table.
_OPERATION = ("blind_recall", "clean_notes", "leaks_per_note", "needless", "strict_recall")


class Compare(Section):
    """How the arms are compared."""

    at: ClassVar[str] = "ner.compare"

    reference: str = "real"
    """The arm that the other arms are compared with, one of grid.arms."""
    blind: bool
    """Whether every setting was chosen without knowing scores on the test notes. The table and the report say so."""
    margin: float = Field(default=0.02, gt=0, lt=1)
    """Non-inferiority margin: an arm is not worse than the reference if the whole 95 % interval of the difference in
    strict F1 lies above minus this (Holm's correction over the arms included)."""
    bootstrap: intervals.Bootstrap = intervals.Bootstrap()
    """Bootstrap behind all intervals and p-values; every arm gets the same samples."""


def count(sources: Sources, grid: Grid, corpus: str) -> dict[str, list[Counts]]:
    """Return, by arm, the counts of every seed over the test notes of all folds.

    A surface counts as seen if it is tagged in the annotator's training notes.
    """

    @cache
    def seen(fold: int, seed: int) -> frozenset[str]:
        return counting.surfaces(note_table.read(sources.annotator / corpus / str(fold) / str(seed)))

    def pooled(arm: str, seed: int) -> Counts:
        folds = [Cell(corpus, arm, fold, seed) for fold in grid.folds]
        return counting.pool([counting.count(sources.pairs(cell), seen(cell.fold, seed)) for cell in folds])

    return {arm: [pooled(arm, seed) for seed in grid.seeds] for arm in grid.arms}


def of_new_groups(
    counts: Mapping[str, Sequence[Counts]], sources: Sources, grid: Grid, corpus: str
) -> dict[str, list[Counts]]:
    """Return the counts over the test notes alone whose group is not in the training part of their fold."""
    new: set[str] = set()
    for fold in grid.folds:
        test, train = (note_table.frame(sources.split / corpus / str(fold) / role) for role in ("test", "train"))
        new.update(test.join(train, on="group_id", how="anti").select("note_id").collect()["note_id"])
    return {
        arm: [each.where([note in new for note in each.note_ids]) for each in replicates]
        for arm, replicates in counts.items()
    }


def arm_rows(
    corpus: str, counts: Mapping[str, Sequence[Counts]], trained: Mapping[Cell, Mapping[str, Any]], settings: Compare
) -> pl.DataFrame:
    """One row per arm: scores with intervals, paired difference from the reference, and the training budget.

    `counts` are those of every seed by arm, `trained` the metrics of ner_train. `difference_p` is the p-value of no
    difference, and `margin_p` that of a difference of minus the margin, each with Holm's correction over the arms;
    they are null for the reference, and where there are too few replicates.
    """
    rows = []
    tested: dict[str, list[float | None]] = {"difference_p": [], "margin_p": []}
    for arm, replicates in counts.items():
        row: dict[str, Any] = {"corpus": corpus, "arm": arm}
        totals, drawn = counting.total(replicates), intervals.resample(replicates, settings.bootstrap)
        for name in COLUMNS:
            score = scores.SCORES[name]
            measured = intervals.Measured(score(totals), score(drawn).mean(axis=1))
            row |= zip((name, f"{name}_low", f"{name}_high"), measured.estimate(), strict=True)
        minus = intervals.difference(scores.strict_f1, replicates, counts[settings.reference], settings.bootstrap)
        row |= zip(("difference", "difference_low", "difference_high"), minus.estimate(), strict=True)
        for name, null in (("difference_p", 0.0), ("margin_p", -settings.margin)):
            tested[name].append(None if arm == settings.reference else minus.p_value(null))
        runs = [content for cell, content in trained.items() if cell.arm == arm]
        row |= {name: sum(run[name] for run in runs) / len(runs) for name in ("notes", "words", "steps")}
        size = {"test_notes": len(replicates[0].note_ids), "runs": len(runs), "replicates": len(replicates)}
        rows.append(row | size)
    corrected = [pl.Series(name, intervals.holm(p_values), pl.Float64) for name, p_values in tested.items()]
    return pl.DataFrame(rows).with_columns(*corrected, margin=pl.lit(settings.margin))


def not_worse(row: Mapping[str, Any]) -> str:
    """Return the verdict on an arm's row: is it not worse than the reference by the margin?"""
    if few := intervals.untestable(row["replicates"]):
        return few
    if row["margin_p"] is None:
        return "undefined"
    held = row["difference"] > -row["margin"] and row["margin_p"] < 1 - intervals.CONFIDENCE
    return "held" if held else "not held"


def label_rows(corpus: str, counts: Mapping[str, Sequence[Counts]]) -> pl.DataFrame:
    """One row per label and arm: strict F1 and the number of gold spans."""
    rows = []
    for arm, replicates in counts.items():
        totals = counting.total(replicates)
        columns = intervals.mean(scores.label_f1, replicates), totals.of_labels("gold").mean(axis=0).astype(int)
        rows += [(corpus, label, arm, *values) for label, *values in zip(totals.labels, *columns, strict=True)]
    names = ["corpus", "label", "arm", "strict_f1", "gold"]
    return pl.DataFrame(rows, schema=names, orient="row").sort("label", maintain_order=True)


def confusion_rows(sources: Sources, wanted: Iterable[Cell]) -> pl.DataFrame:
    """One row per arm, gold and predicted label: the number of words over all folds and seeds."""
    words: Counter[tuple[str, ...]] = Counter()
    for cell in wanted:
        for labels, number in counting.confusion(sources.pairs(cell)).items():
            words[cell.corpus, cell.arm, *labels] += number
    rows = [(*key, number) for key, number in words.items()]
    frame = pl.DataFrame(rows, schema=["corpus", "arm", "gold", "predicted", "words"], orient="row")
    return frame.sort("arm", "gold", "predicted")


def operation_rows(evaluated: Mapping[Cell, Mapping[str, Any]]) -> pl.DataFrame:
    """One row per cell and bias, and those without a bias, whose biases were chosen by label on other notes.

    `chosen_on` names these: select, or invented.
    """
    rows = []
    for cell, content in evaluated.items():
        found = content["recall_first"]
        rows += [cell._asdict() | point | {"chosen_on": None} for point in found["curve"]]
        chosen = [name for name in _CHOSEN_ON if name in found]
        rows += [cell._asdict() | found[name]["scores"] | {"chosen_on": name} for name in chosen]
    return pl.DataFrame(rows, infer_schema_length=None).cast({"bias": pl.Float64, "chosen_on": pl.String})


def operations(operated: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Every arm's default and recall-first operating points: mean scores over folds and seeds.

    `needless` is the share of the hidden words that need not be hidden.
    """
    points = {"default": pl.col("bias") == 0} | {name: pl.col("chosen_on") == on for on, name in _CHOSEN_ON.items()}
    for arm in operated["arm"].unique(maintain_order=True):
        for name, chosen in points.items():
            rows = operated.filter(chosen, arm=arm).with_columns(needless=1 - pl.col("blind_precision"))
            if len(rows):
                yield {"arm": arm, "operation": name} | rows.select(pl.col(pl.Float64).mean()).row(0, named=True)


def curve_rows(trained: Mapping[Cell, Mapping[str, Any]]) -> pl.DataFrame:
    """One row per cell and measurement during training."""
    measured = {"step": pl.Int64, "train_loss": pl.Float64, "select_f1": pl.Float64}
    points = [(cell, point) for cell, content in trained.items() for point in content["curve"]]
    rows = [(*cell, *map(point.get, measured)) for cell, point in points]
    schema = dict.fromkeys(Cell._fields) | measured
    return pl.DataFrame(rows, schema=schema, orient="row", infer_schema_length=None)


def summary(corpus: str, arms: pl.DataFrame, reference: str) -> dict[str, Any]:
    """The main results, by corpus: strict F1 of every arm, and the synthetic arm against the reference."""
    rows = {row["arm"]: row for row in arms.iter_rows(named=True)}
    numbers = {f"{arm}_strict_f1": row["strict_f1"] for arm, row in rows.items()}
    if "synthetic" in rows:
        row, base = rows["synthetic"], rows[reference]["strict_f1"]
        numbers[f"synthetic_over_{reference}"] = row["strict_f1"] / base if base else float("nan")
        for side in ("", "_low", "_high"):
            numbers[f"synthetic_minus_{reference}{side}"] = row[f"difference{side}"]
        numbers["synthetic_blind_recall"] = row["blind_recall"]
    return {corpus: {name: scores.rounded(value) for name, value in numbers.items()}}


def table(arms: pl.DataFrame, new: pl.DataFrame, operated: pl.DataFrame, settings: Compare, cap: float = 1.0) -> str:
    """Return the tables of arms and of operating points, and what their numbers mean.

    `new` are the arms' rows on the notes of new groups alone, shown if there are fewer of these; `cap` is the lowest
    ceiling that a tokenizer sets to strict F1, stated if it is below 0.999.
    """
    first = arms.row(0, named=True)
    names = COLUMNS | {"needless": "hidden without need"}
    head = ["trained on", "operating point", *(names[column] for column in _OPERATION)]
    points = operations(operated)
    rows = [
        [row["arm"], row["operation"], *(scores.shown(row[column], "—") for column in _OPERATION)] for row in points
    ]
    few = intervals.noise_of_training(first["replicates"])
    tests = f"{few}. Intervals are over notes alone, and nothing is tested"
    if not few:
        tests = (
            f"{first['replicates']} models per arm and fold. Intervals are over notes and seeds; p and the column on "
            "the margin are corrected for the number of arms (Holm)"
        )
    lines = [
        *_arm_table(arms, settings),
        "",
        f"Scored on the {first['test_notes']} real test notes of {first['corpus']}, {BLIND[settings.blind]}. "
        f"{tests}. Groups of notes are drawn {settings.bootstrap.samples:,} times, the same ones for all arms. "
        "docs/metrics.md explains every number.",
        *([f"The tokenizer caps strict F1 at {cap:.3f}: it joins words that differ in their tags."] * (cap < 0.999)),
        "",
        *_new_group_table(first["test_notes"], new, settings),
        *markdown.table(head, rows, "llr"),
        "",
        "Recall-first: decoding prefers each label to O by the smallest bias that hides enough of its words on "
        "the select notes, which are real and tagged, or on invented notes that were held back from training and "
        "need no real tag. If the default already hides enough of them, the bias is 0 and the rows are equal.",
        "",
    ]
    return "\n".join(lines)


def _new_group_table(notes: int, new: pl.DataFrame, settings: Compare) -> list[str]:
    """The arms without the test notes whose group is in the training part too; nothing if there are none."""
    if new.is_empty() or new["test_notes"][0] == notes:
        return []
    names = ("strict_f1", "token_f1", "blind_recall")
    rows = []
    for row in new.iter_rows(named=True):
        cells = [scores.shown(row[name], "—") for name in names]
        rows.append([row["arm"], *cells, "—" if row["arm"] == settings.reference else _difference(row)])
    left = notes - new["test_notes"][0]
    head = ["trained on", *(COLUMNS[name] for name in names), f"F1 minus {settings.reference} (95 % CI)"]
    return [f"Without the {left} test notes whose group is also in training:", "", *markdown.table(head, rows), ""]


def _difference(row: Mapping[str, Any]) -> str:
    value, low, high = (f"{row[name]:+.3f}" for name in ("difference", "difference_low", "difference_high"))
    return f"{value} ({low} to {high})"


def _arm_table(arms: pl.DataFrame, settings: Compare) -> list[str]:
    reference = settings.reference
    worse = f"not worse than {reference} by {settings.margin:g}"
    head = ["corpus", "trained on", *COLUMNS.values(), f"F1 minus {reference} (95 % CI)", "p", worse]
    head[head.index(COLUMNS["strict_f1"])] += " (95 % CI)"
    rows = []
    for row in arms.iter_rows(named=True):
        cells = {name: scores.shown(row[name], "—") for name in COLUMNS}
        low, high = (scores.shown(row[f"strict_f1_{side}"], "—") for side in ("low", "high"))
        cells["strict_f1"] = f"**{cells['strict_f1']}** ({low}–{high})"
        difference = p = verdict = "—"
        if row["arm"] != reference:
            difference, p, verdict = _difference(row), scores.shown(row["difference_p"], "—"), not_worse(row)
        budget = [f"{row[name]:,.0f}" for name in ("notes", "words", "steps")]
        rows.append([row["corpus"], row["arm"], *cells.values(), difference, p, verdict, *budget])
    return markdown.table([*head, "training notes", "training words", "steps"], rows, "llr")
