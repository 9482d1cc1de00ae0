"""What a point of an ablation gains over the plain one: paired, on the same test notes, with Holm's correction."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from stages.ner.compare import Cell, Compare
from stages.shared import notes, params, scoring
from stages.shared.grid import Grid
from stages.shared.scoring import Counts, Estimate


class Gain(NamedTuple):
    """Strict F1 minus the plain point's with its 95 % interval, and the p-value corrected for all points."""

    difference: Estimate
    p: float


def gains(
    project: Path,
    settings: Mapping[str, Any],
    revisions: Mapping[str, str],
    plain: str,
    corpus: str,
    arm: str,
) -> dict[str, Gain]:
    """By experiment, what each of `revisions` (by name, commits of finished experiments) gains over the one `plain`.

    Reads the predictions from DVC's cache.
    """
    compare = params.parse(Compare, "ner.compare", settings, project / "params.yaml")
    grid = params.parse(Grid, "grid", settings, project / "params.yaml")
    counts = {name: _counts(project, revision, grid, corpus, arm) for name, revision in revisions.items()}
    others = [name for name in revisions if name != plain]
    chances = [
        scoring.randomisation(scoring.strict_f1, counts[name], counts[plain], compare.bootstrap)
        for name in others
    ]
    return {
        name: Gain(
            scoring.difference(scoring.strict_f1, counts[name], counts[plain], compare.bootstrap), chance
        )
        for name, chance in zip(others, holm(chances), strict=True)
    }


def holm(chances: list[float]) -> list[float]:
    """p-values corrected for as many tests (Holm 1979), in the order given."""
    corrected, least = [0.0] * len(chances), 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        least = max(least, min(1.0, chances[place] * (len(chances) - rank)))
        corrected[place] = least
    return corrected


def _counts(project: Path, revision: str, grid: Grid, corpus: str, arm: str) -> list[Counts]:
    """The counts of each seed over the test notes of all folds, as in ner_compare."""
    from dvc.repo import Repo

    replicates = []
    with Repo(str(project), rev=revision) as repo, TemporaryDirectory(dir=project / "data") as folder:
        for seed in grid.seeds:
            parts = []
            for fold in grid.folds:
                cell = Cell(corpus, arm, fold, seed)
                paths = (f"data/corpora/split/{corpus}/{fold}/test", f"data/predictions/{cell.path}")
                copies = [Path(folder, path) for path in paths]
                for path, copy in zip(paths, copies, strict=True):
                    repo.dvcfs.get(path, str(copy), recursive=True)
                parts.append(scoring.count(zip(*map(notes.read, copies), strict=True)))
            replicates.append(scoring.pool(parts))
    return replicates
