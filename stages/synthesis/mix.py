"""Make the arms `synthetic` and `mixed` from the invented notes (DVC stage `synthesis_mix`)."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, get_args

import numpy as np
from pydantic import Field

from stages.ner.cells import HELD_BACK
from stages.notes import note_table
from stages.notes.note_table import Note, NoteTable
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.outputs import write_json
from stages.runtime.params import Section
from stages.runtime.stage import OutFile, OutFolder, stage
from stages.synthesis.copies import Copies, Copy, RealNotes


class Mix(Section):
    """What the synthetic and the mixed arm are made of."""

    at: ClassVar[str] = "synthesis.mix"

    held_back: float = Field(default=0.05, ge=0, lt=1)
    """Share of the invented notes that is kept from training. The recall-first operating point of the synthetic arm
    is chosen on them, without a real tag; 0 for none."""
    ratio: float = Field(gt=0)
    """Words of real notes per word of invented notes in the mixed arm."""


@stage("synthesis.mix")
def mix(
    corpus: str,
    fold: int,
    seed: int,
    annotated: NoteTable,
    real: NoteTable,
    synthetic: OutFolder,
    mixed: OutFolder,
    metrics: OutFile,
    settings: Mix,
    copies: Copies,
) -> str:
    """Make the arms `synthetic` and `mixed` from the invented notes, without those that copy real ones.

    annotated: the machine-tagged invented notes.
    real: the notes of the real arm: all training notes.
    seed: seed of the choice and order of the notes of the mixed arm.
    synthetic: the invented notes; a share of them is held back in a folder of its own.
    mixed: all real notes, and invented notes by the ratio.
    metrics: number of invented notes, and of those left out by the way in which they copy.
    """
    known = RealNotes(note_table.read(real), copies)
    copied = [known.copied(note.text) for note in note_table.read(annotated)]
    dropped = Counter(way for way in copied if way)
    own = [row for row, way in enumerate(copied) if not way]
    if not own:
        raise UserError(
            "every invented note copies a real one: adapt the generator for fewer steps, or to more notes"
        )
    sizes = _words(annotated)
    real_words = int(_words(real).sum())
    held_back = {own[place] for place in hold_back(len(own), settings.held_back, seed)}
    used = np.array([row for row in own if row not in held_back], dtype=np.int64)
    chosen = {int(used[place]) for place in choose(sizes[used], real_words / settings.ratio, seed)}
    parts = {synthetic: set(used.tolist())} | ({synthetic / HELD_BACK: held_back} if held_back else {})
    for folder, rows in parts.items():
        folder.mkdir(exist_ok=True)
        note_table.write(folder, (note for row, note in enumerate(note_table.read(annotated)) if row in rows))
        lineage.write(folder, lineage.read(annotated) | lineage.as_read(lineage.read(real), "selection"))
    note_table.write(mixed, interleave(real, annotated, chosen, seed))
    lineage.write(mixed, lineage.read(annotated) | lineage.read(real))
    ways = {way: dropped[way] for way in get_args(Copy)}
    write_json(metrics, {"notes": len(copied), "copies": ways, "held_back": len(held_back), "synthetic": len(used)})
    invented = sizes[list(chosen)].sum()
    return (
        f"{dropped.total()} copies of real notes left out; synthetic: {sizes[used].sum()} invented words; mixed: "
        f"{real_words} real and {invented} invented words"
    )


def hold_back(notes: int, share: float, seed: int) -> set[int]:
    """Return the rows of a share of the notes, drawn at random."""
    return set(np.random.default_rng([seed, 2]).permutation(notes)[: round(share * notes)].tolist())


def choose(sizes: np.ndarray, target: float, seed: int) -> set[int]:
    """Return the rows of notes of `sizes` words, drawn at random until they have `target` words or all are drawn."""
    order = np.random.default_rng([seed, 0]).permutation(len(sizes))
    before = np.cumsum(sizes[order]) - sizes[order]
    return set(order[before < target].tolist())


def interleave(real: Path, invented: Path, chosen: set[int], seed: int) -> Iterator[Note]:
    """Stream all real notes and the chosen rows of the invented ones, randomly interleaved, each side in order."""
    rng = np.random.default_rng([seed, 1])
    left = [note_table.count(real), len(chosen)]
    sides = [note_table.read(real), (note for row, note in enumerate(note_table.read(invented)) if row in chosen)]
    while any(left):
        side = int(rng.integers(sum(left)) >= left[0])
        left[side] -= 1
        yield next(sides[side])


def _words(folder: Path) -> np.ndarray:
    """Words of each note of a table."""
    return np.array([note_table.count_words(note.text) for note in note_table.read(folder)], dtype=np.int64)


if __name__ == "__main__":
    mix.main()
