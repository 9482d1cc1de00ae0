"""What the comparison of mixtures reads, and one row of numbers per mixture.

Rows follow `grid`, not what happens to be in the folders.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from stages.notes import note_table
from stages.pretraining.corpus import LOSSES, SUMMARY
from stages.runtime import lineage
from stages.runtime.grid import Grid
from stages.runtime.outputs import read_json
from stages.scoring import counting, intervals, scores
from stages.scoring.counting import Counts
from stages.scoring.intervals import Bootstrap, Measured

# Lineage of a rephraser that was trained elsewhere. Only such rephrasers can support a claim about LLMs.
_ELSEWHERE = ("hub:", "folder:", "server:")


class Losses(NamedTuple):
    """One model's losses on the texts of one part: arrays of shape (texts,), and the group of each text."""

    groups: tuple[str, ...]
    nats: np.ndarray
    tokens: np.ndarray
    bytes: np.ndarray


# By mixture and part, or by task and mixture: one entry per replicate.
AllLosses = Mapping[str, Mapping[str, Sequence[Losses]]]
AllCounts = Mapping[str, Mapping[str, Sequence[Counts]]]
# Metrics files of several cells, and those of pretraining_pretrain by kind and mixture: one per fold and seed.
Metrics = Sequence[Mapping[str, Any]]
Trained = Mapping[tuple[str, str], Metrics]


def read_losses(folder: Path, mixture: str, corpus: str, grid: Grid) -> dict[str, list[Losses]]:
    """By part, the losses of each seed on the texts of all folds."""
    parts: dict[str, list[Losses]] = {}
    for seed in grid.seeds:
        frames = [pl.read_parquet(folder / mixture / corpus / str(fold) / str(seed) / LOSSES) for fold in grid.folds]
        for (part,), rows in pl.concat(frames).group_by("part", maintain_order=True):
            columns = (rows[name].to_numpy().astype(float) for name in ("nats", "tokens", "bytes"))
            parts.setdefault(str(part), []).append(Losses(tuple(rows["group_id"]), *columns))
    return parts


def read_counts(folder: Path, mixture: str, corpus: str, grid: Grid) -> list[Counts]:
    """The counts of each seed on the test texts of all folds."""

    def of(fold: int, seed: int) -> Counts:
        tables = (folder / mixture / corpus / str(fold) / str(seed) / name for name in ("gold", "predicted"))
        return counting.count(zip(*map(note_table.read, tables), strict=True))

    return [counting.pool([of(fold, seed) for fold in grid.folds]) for seed in grid.seeds]


def read_trained(folder: Path, corpus: str, grid: Grid) -> Trained:
    """By kind and mixture, the training metrics of every fold and seed."""
    return {
        (kind, mixture): [
            read_json(folder / kind / mixture / corpus / f"{fold}/{seed}.json")
            for fold, seed in product(grid.folds, grid.seeds)
        ]
        for kind in ("decoder", "encoder")
        for mixture in grid.mixtures
    }


def writer_rows(texts: Path, corpus: str, grid: Grid) -> pl.DataFrame:
    """One row per rephraser and prompt: acceptance and fidelity on the notes' pieces, and who trained it."""
    rows = []
    for rephraser, prompt in product(grid.rephrasers, grid.prompts):
        folders = [texts / rephraser / prompt / corpus / str(fold) for fold in grid.folds]
        reports = [read_json(folder / SUMMARY) for folder in folders]
        writers = [entry.notes for entry in lineage.read(folders[0]) if entry.how == "generator"]
        pieces = sum(report["pieces"] for report in reports)
        rejected = sum(sum(report["reasons"].values()) for report in reports)
        row = {
            "rephraser": rephraser,
            "prompt": prompt,
            "pieces": pieces,
            "accepted": (pieces - rejected) / pieces,
            **_means([report["fidelity"] for report in reports], "content", "numbers", "copied"),
            "faithful": all(report["faithful"] for report in reports),
            "trained_here": not any(writer.startswith(_ELSEWHERE) for writer in writers),
        }
        rows.append(row)
    return pl.DataFrame(rows)


def perplexity_rows(
    losses: AllLosses, mixed: Mapping[str, Metrics], trained: Trained, reference: str, bootstrap: Bootstrap
) -> pl.DataFrame:
    """One row per part (`of`) and mixture: bits per byte, interval, difference to `reference`, and the budget."""
    rows = []
    for part, mixture in product(losses[reference], losses):
        found, minus = losses[mixture][part], losses[reference][part]
        parts = [content["parts"].values() for content in mixed[mixture]]
        row = {
            "of": part,
            "mixture": mixture,
            **_columns("bits_per_byte", bits_per_byte(found, bootstrap), difference(found, minus, bootstrap)),
            "perplexity": _mean([math.exp(of.nats.sum() / of.tokens.sum()) for of in found]),
            # Pieces of notes or public texts that the mixture tells of, each counted once.
            "source_pieces": _mean([max((drawn["source_pieces"] for drawn in of), default=0) for of in parts]),
            "unique_tokens": _mean([content["tokens"] for content in mixed[mixture]]),
            **_means(trained["decoder", mixture], "tokens_trained", "passes"),
            "replicates": len(found),
        }
        rows.append(row)
    return pl.DataFrame(rows)


def downstream_rows(counts: AllCounts, reference: str, bootstrap: Bootstrap) -> pl.DataFrame:
    """One row per task (`of`) and mixture: micro F1 (accuracy for classes), interval, difference to `reference`."""
    rows = []
    for task, mixtures in counts.items():
        for mixture, replicates in mixtures.items():
            found = intervals.measure(scores.strict_f1, replicates, bootstrap)
            minus = intervals.difference(scores.strict_f1, replicates, mixtures[reference], bootstrap)
            macro = float(intervals.mean(scores.SCORES["strict_f1_macro"], replicates))
            row = {"of": task, "mixture": mixture, **_columns("score", found, minus), "macro": macro}
            rows.append(row | {"test": len(replicates[0].note_ids), "replicates": len(replicates)})
    return pl.DataFrame(rows, schema=None if rows else {"of": pl.String, "mixture": pl.String})


def curve_rows(trained: Trained) -> pl.DataFrame:
    """One row per model and evaluation: the loss on the mixture's own validation texts."""
    return pl.DataFrame(
        [
            {"kind": kind, "mixture": mixture, "run": number, **point}
            for (kind, mixture), runs in trained.items()
            for number, content in enumerate(runs)
            for point in content["curve"]
        ],
        infer_schema_length=None,
    )


def bits_per_byte(replicates: Sequence[Losses], bootstrap: Bootstrap) -> Measured:
    """Bits per byte in every replicate and in every bootstrap sample of groups."""
    groups = {group: row for row, group in enumerate(sorted(set(replicates[0].groups)))}
    rows = [groups[group] for group in replicates[0].groups]
    weights = intervals.draws(len(groups), bootstrap)
    each, drawn = [], []
    for of in replicates:
        nats, size = (np.bincount(rows, column, len(groups)) for column in (of.nats, of.bytes))
        each.append(nats.sum() / size.sum())
        drawn.append(weights @ nats / (weights @ size))
    return Measured(np.array(each) / math.log(2), np.mean(drawn, axis=0) / math.log(2))


def difference(one: Sequence[Losses], other: Sequence[Losses], bootstrap: Bootstrap) -> Measured:
    """Bits per byte of `one` minus those of `other`; ValueError if the two were not scored on the same texts."""
    if {of.groups for of in (*one, *other)} != {one[0].groups}:
        raise ValueError("the two were not scored on the same texts")
    return bits_per_byte(one, bootstrap).minus(bits_per_byte(other, bootstrap))


def _columns(score: str, found: Measured, minus: Measured) -> dict[str, float]:
    names = (score, "low", "high", "difference", "difference_low", "difference_high")
    return dict(zip(names, (*found.estimate(), *minus.estimate()), strict=True))


def _means(contents: Sequence[Mapping[str, Any]], *names: str) -> dict[str, float | None]:
    return {name: _mean([content[name] for content in contents]) for name in names}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
