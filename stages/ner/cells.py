"""The trained and scored models of a corpus, one per arm, fold and seed, and where their files are."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from stages.notes import note_table
from stages.runtime.errors import UserError
from stages.runtime.grid import Grid

# Folder in the synthetic arm's notes, of the invented notes that no model is trained on.
HELD_BACK = "held_back"
# Colours of the arms, which colour-blind people can tell apart (Okabe and Ito 2008).
COLOURS = {"real": "#0072B2", "annotator": "#56B4E9", "synthetic": "#D55E00", "mixed": "#009E73"}


class Cell(NamedTuple):
    """One trained and scored model."""

    corpus: str
    arm: str
    fold: int
    seed: int

    @property
    def name(self) -> str:
        """The name by which messages and MLflow's stores tell it from all others."""
        return f"{self.corpus} {self.arm} fold {self.fold} seed {self.seed}"

    def short_name(self, grid: Grid) -> str:
        """The name of its run on MLflow's pages: what tells it from the other cells of the grid."""
        fold = f", fold {self.fold}" if len(grid.folds) > 1 else ""
        corpus = f", {self.corpus}" if len(grid.synthesized) > 1 else ""
        return f"{self.arm}, seed {self.seed}{fold}{corpus}"

    @property
    def path(self) -> str:
        """Its path below the folders of `Sources`."""
        return f"{self.arm}/{self.corpus}/{self.fold}/{self.seed}"


class Sources(NamedTuple):
    """The folders that hold the files of all cells."""

    train: Path
    evaluate: Path
    predictions: Path
    split: Path
    annotator: Path

    def metrics(self, cell: Cell) -> tuple[Path, Path]:
        """The metrics files of a cell: of ner_train and of ner_evaluate."""
        return self.train / f"{cell.path}.json", self.evaluate / f"{cell.path}.json"

    def tables(self, cell: Cell) -> tuple[Path, Path, Path]:
        """The note tables of a cell: predictions, gold test notes, gold training notes."""
        split = self.split / cell.corpus / str(cell.fold)
        return self.predictions / cell.path, split / "test", split / "train"

    def pairs(self, cell: Cell) -> Iterator[tuple[note_table.Note, note_table.Note]]:
        """The test notes of a cell, as (gold, predicted)."""
        predicted, gold, _ = self.tables(cell)
        return zip(note_table.read(gold), note_table.read(predicted), strict=True)


def cells(grid: Grid, corpus: str) -> list[Cell]:
    """All cells of a corpus, in the order of the comparison: by arm, seed, fold.

    They follow from `grid` and not from the files that exist, because DVC keeps the outputs of removed cells.
    """
    return [Cell(corpus, arm, fold, seed) for arm in grid.arms for seed in grid.seeds for fold in grid.folds]


def require(sources: Sources, wanted: Iterable[Cell]) -> None:
    """Raise UserError that names every cell whose metrics or note tables are missing."""
    missing = []
    for cell in wanted:
        files = *sources.metrics(cell), *(folder / note_table.FILE for folder in sources.tables(cell))
        missing += [f"{cell.name}: no {path}" for path in files if not path.is_file()]
    if missing:
        raise UserError("\n".join([*missing, "`dvc repro` makes these cells; or remove them from `grid`"]))
