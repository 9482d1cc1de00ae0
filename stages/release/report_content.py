"""What the report shows: numbers and names, and no text of a note but those of invented corpora."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl

from stages.gates.gate import Finding
from stages.ner import comparison
from stages.ner.cells import Cell, Sources, cells
from stages.notes import note_table
from stages.runtime.grid import Grid
from stages.runtime.mlflow_store import minutes
from stages.runtime.outputs import read_json
from stages.scoring import counting, intervals


def answer(arms: Sequence[Mapping[str, Any]], reference: str) -> str:
    """Return the finding as a paragraph. `arms` are the rows of ner_compare's arms.csv."""
    rows = {row["arm"]: row for row in arms}
    real, row = rows[reference], rows.get("synthetic")
    if row is None:
        return (
            "No model was trained on invented notes alone. "
            f"The strict span F1 of the reference, {reference}, is {real['strict_f1']:.3f}."
        )

    def hidden(arm: Mapping[str, Any]) -> str:
        return f"{arm['blind_recall']:.1%} ({arm['blind_recall_low']:.1%} to {arm['blind_recall_high']:.1%})"

    verdict = f"that it is not worse by {row['margin']:g} is {comparison.not_worse(row)}"
    if intervals.untestable(row["replicates"]):
        models = intervals.models(row["replicates"])
        verdict = f"this rests on {models} per arm and says nothing about training noise, so it is no verdict"
    return (
        f"A model trained on invented notes alone hides {hidden(row)} of the words of personal information in "
        f"{row['test_notes']} real notes that it has never seen; a model trained on the real notes hides "
        f"{hidden(real)}. The strict span F1 of the former is {row['strict_f1']:.3f}, "
        f"{abs(row['difference']):.3f} {'lower' if row['difference'] < 0 else 'higher'} "
        f"({row['difference_low']:+.3f} to {row['difference_high']:+.3f}) than that of the latter; "
        f"{verdict}. With the former, no identifier remains visible in {row['clean_notes']:.0%} of "
        f"the notes, and on average {row['leaks_per_note']:.2f} identifiers per note remain visible, at least in "
        f"part; with the latter, {real['leaks_per_note']:.2f}."
    )


def leaks(
    counts: Mapping[str, Sequence[counting.Counts]], kinds: Mapping[str, str], bootstrap: intervals.Bootstrap
) -> list[dict[str, Any]]:
    """Return one row per kind of PII, and one for all: identifiers that remain visible, per 1,000 notes.

    `arms` has the value by arm, and the upper end of its 95 % interval. The upper end is at least 3 / notes, which is
    compatible with no leak in so many notes (the rule of three). `kinds` is the kind of PII of each label.
    """
    rows: dict[str, dict[str, Any]] = {}
    for arm, replicates in counts.items():
        total, drawn = counting.total(replicates), intervals.resample(replicates, bootstrap)
        gold = total.of_labels("gold")[0]
        for kind in ("all", *sorted({kinds[label] for label in total.labels})):
            chosen = [index for index, label in enumerate(total.labels) if kind in ("all", kinds[label])]
            rates, drawn_rates = (
                1000 * (found.of_labels("gold") - found.of_labels("hidden"))[..., chosen].sum(-1) / found["notes"]
                for found in (total, drawn)
            )
            upper = intervals.Measured(rates, drawn_rates.mean(axis=1)).estimate().high
            row = rows.setdefault(kind, {"kind": kind, "gold": int(gold[chosen].sum()), "arms": {}})
            upper = max(upper, 3000 / len(replicates[0].note_ids))
            row["arms"][arm] = {"left": float(rates.mean()), "upper": upper}
    return sorted(rows.values(), key=lambda row: -row["gold"])


def examples(annotated: Path, unadapted: Path) -> Iterator[dict[str, Any]]:
    """Yield the tagged invented notes for which there is a text of the unadapted base decoder.

    `parts` are the note's text in pieces, each with its label or None; `unadapted` is the other text.
    """
    texts = {note.note_id: note.text for note in note_table.read(unadapted)}
    for note in note_table.read(annotated) if texts else ():
        if note.note_id not in texts:
            continue
        parts, end = [], 0
        for span in note.spans:
            parts += [(note.text[end : span.start], None), (note.surface(span), span.label)]
            end = span.end
        yield {"parts": [*parts, (note.text[end:], None)], "unadapted": texts[note.note_id]}


def matrix(confusion: pl.DataFrame, arm: str) -> dict[str, Any]:
    """Return the confusion matrix of an arm: `rows` has by gold label the shares of its words by predicted label."""
    words = confusion.filter(arm=arm).select(
        "gold", "predicted", pl.col("words") / pl.col("words").sum().over("gold")
    )
    gold, predicted = (set(words[side]) - {counting.OUTSIDE} for side in ("gold", "predicted"))
    across = [*sorted(gold | predicted), counting.OUTSIDE]
    shares = {(true, guess): share for true, guess, share in words.iter_rows()}
    rows = {true: [shares.get((true, guess), 0) for guess in across] for true in sorted(gold)}
    return {"arm": arm, "labels": across, "rows": rows}


def calibration(sources: Sources, corpus: str, arm: str, grid: Grid) -> dict[str, Any]:
    """Return the calibration of an arm over all folds and seeds: `bins` has the number of spans and the share of
    correct ones by the tenth that their score is in, `error` is the mean expected calibration error.
    """
    own = [Cell(corpus, arm, fold, seed) for fold, seed in product(grid.folds, grid.seeds)]
    found = [read_json(sources.metrics(cell)[1])["calibration"] for cell in own]
    errors = [measured["error"] for measured in found if measured["error"] is not None]
    bins = pl.DataFrame(
        [row for measured in found for row in measured["bins"]],
        schema={"from": pl.Float64, "spans": pl.Int64, "right": pl.Float64},
    )
    spans, tenth = pl.col("spans"), (10 * pl.col("from")).round().cast(pl.Int64)
    shares = bins.group_by(tenth=tenth).agg(spans.sum(), right=(spans * pl.col("right")).sum() / spans.sum())
    by_tenth = shares.rows_by_key("tenth", named=True, unique=True)
    return {"arm": arm, "bins": by_tenth, "error": sum(errors) / len(errors) if errors else None}


def gates(synthesis: Path, gold: Path, corpus: str) -> Iterator[dict[str, Any]]:
    """Yield the report of every gate before these models, with the expectations that were not met as `failed`."""
    checks = sorted((synthesis / "check" / corpus).rglob("*.json"))
    names = {file: f"invented notes, fold {file.parent.name} seed {file.stem}" for file in checks}
    for file, name in ({gold: "gold tags"} | names).items():
        report = read_json(file)
        failed = [Finding(**finding) for finding in report["findings"] if not finding["success"]]
        yield report | {"name": name, "failed": [f"{finding.severity}: {finding.sentence()}" for finding in failed]}


def cost(sources: Sources, synthesis: Path, corpus: str, grid: Grid) -> Iterator[tuple[str, str, float | None]]:
    """Yield every step, its work in steps, tokens and words, and the minutes it took if MLflow knows them."""
    for fold, seed in product(grid.folds, grid.seeds):
        tags = {"corpus": corpus, "fold": str(fold), "seed": str(seed)}
        which = f", fold {fold} seed {seed}" if len(grid.folds) * len(grid.seeds) > 1 else ""
        file = f"{corpus}/{fold}/{seed}.json"
        adapted, sampled = (read_json(synthesis / step / file) for step in ("adapt", "generate"))
        work = f"{adapted['steps']:,} steps on {adapted['tokens']:,} tokens"
        yield f"adapting the generator{which}", work, minutes("synthesis/adapt", tags)
        work = f"{sampled['sampled_tokens']:,} tokens, {sampled['kept']} of {sampled['sampled']} texts kept"
        yield f"sampling notes{which}", work, minutes("synthesis/generate", tags)
    for cell in cells(grid, corpus):
        trained = read_json(sources.metrics(cell)[0])
        tags = {name: str(value) for name, value in cell._asdict().items()}
        work = f"{trained['steps']:,} steps, {trained['words']:,} words"
        yield f"training {cell.name.removeprefix(corpus).strip()}", work, minutes("ner/train", tags)


def fingerprints(split: Path) -> Iterator[tuple[str, str]]:
    """Yield fold and role of every note table below `split`, and the first 16 digits of its SHA-256."""
    for table in sorted(split.rglob(note_table.FILE)):
        with table.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        yield table.parent.relative_to(split).as_posix(), digest[:16]
