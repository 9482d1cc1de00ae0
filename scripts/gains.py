"""The gain of each point of an ablation over the plain one: paired, on the same notes, with Holm's correction."""

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from stages.ner.cells import Cell
from stages.ner.comparison import Compare
from stages.notes import note_table
from stages.notes.note_table import Note
from stages.runtime import params
from stages.runtime.grid import Grid
from stages.scoring import counting, intervals, scores
from stages.scoring.counting import Counts

ARM = "synthetic"


def with_gains(
    table: pl.DataFrame, plain: float, project: Path, settings: Mapping[str, Any], finished: Mapping[str, str]
) -> pl.DataFrame:
    """The table of points with the gain of each synthetic arm over the point `plain` of its budget and corpus.

    The gain is strict F1 minus the plain point's, with its 95 % interval. Its p-value, null below three seeds, is
    corrected for all points compared with the same plain point. `finished` maps experiments to commits; their
    predictions are read from DVC's cache.
    """
    bootstrap = params.parse(Compare, Compare.at, settings).bootstrap
    grid = params.parse(Grid, "grid", settings)
    found: list[tuple[Any, ...]] = []
    done = table.filter(status="done", arm=ARM)
    for (_, corpus), rows in done.group_by("budget", "corpus", maintain_order=True):
        if plain not in rows["x"]:
            continue
        counts = {name: _counts(project, finished[name], grid, str(corpus)) for name in rows["experiment"]}
        reference = counts.pop(rows.filter(x=plain)["experiment"].item())
        gains = [intervals.difference(scores.strict_f1, each, reference, bootstrap) for each in counts.values()]
        corrected = intervals.holm([gain.p_value() for gain in gains])
        for name, gain, p in zip(counts, gains, corrected, strict=True):
            found.append((name, corpus, ARM, *gain.estimate(), p))
    keys = ["experiment", "corpus", "arm"]
    schema = {name: table.schema[name] for name in (*keys, "gain", "gain_low", "gain_high", "gain_p")}
    return table.update(pl.DataFrame(found, schema=schema, orient="row"), on=keys)


def _counts(project: Path, revision: str, grid: Grid, corpus: str) -> list[Counts]:
    """The counts of each seed over the test notes of all folds, as in ner_compare."""
    from dvc.repo import Repo

    with closing(Repo(str(project), rev=revision)) as repo, TemporaryDirectory(dir=project / "data") as folder:

        def notes(path: str) -> Iterable[Note]:
            repo.dvcfs.get(path, f"{folder}/{path}", recursive=True)
            return note_table.read(f"{folder}/{path}")

        def counts(cell: Cell) -> Counts:
            gold = notes(f"data/corpora/split/{corpus}/{cell.fold}/test")
            return counting.count(zip(gold, notes(f"data/predictions/{cell.path}"), strict=True))

        return [counting.pool([counts(Cell(corpus, ARM, fold, seed)) for fold in grid.folds]) for seed in grid.seeds]
