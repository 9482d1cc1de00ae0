"""Lay the invented notes, alone and mixed with real ones, beside the real arm (synthesis_mix)."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import Field

from stages.shared import lineage, notes, params
from stages.shared.console import say
from stages.shared.errors import run
from stages.shared.notes import Note
from stages.shared.outputs import building


class Mix(params.Section):
    """Section synthesis.mix."""

    ratio: float = Field(gt=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotated", required=True, help="note table of machine-tagged invented notes")
    parser.add_argument("--real", required=True, help="note table of the real arm")
    parser.add_argument(
        "--seed", required=True, type=int, help="seed of the choice and order of the mixed arm"
    )
    parser.add_argument("--synthetic", required=True, help="note table to write: all invented notes")
    parser.add_argument("--mixed", required=True, help="note table to write: real and invented notes")
    args = parser.parse_args()
    settings = params.load(Mix, "synthesis.mix")
    chosen = choose(args.annotated, words(args.real) / settings.ratio, args.seed)
    with building(args.synthetic) as synthetic, building(args.mixed) as mixed:
        notes.write(synthetic, notes.read(args.annotated))
        lineage.write(synthetic, lineage.read(args.annotated))
        notes.write(mixed, interleave(args.real, args.annotated, chosen, args.seed))
        lineage.write(mixed, lineage.read(args.annotated) | lineage.read(args.real))
    real, invented, used = words(args.real), words(args.synthetic), words(args.mixed)
    say(f"synthetic: {invented} words; mixed: {real} real and {used - real} invented words")


def words(folder: str | Path) -> int:
    """Words of a note table."""
    return sum(notes.words(note.text) for note in notes.read(folder))


def choose(folder: str | Path, target: float, seed: int) -> set[int]:
    """Rows of a note table, drawn at random until they hold `target` words; all rows if they hold fewer."""
    sizes = np.array([notes.words(note.text) for note in notes.read(folder)], dtype=np.int64)
    order = np.random.default_rng([seed, 0]).permutation(len(sizes))
    before = np.cumsum(sizes[order]) - sizes[order]
    return set(order[before < target].tolist())


def interleave(real: str | Path, invented: str | Path, chosen: set[int], seed: int) -> Iterator[Note]:
    """All real notes and the chosen rows of the invented ones, in random turns; each side keeps its order.

    Streams both tables.
    """
    rng = np.random.default_rng([seed, 1])
    left = [notes.count(real), len(chosen)]
    sides = [notes.read(real), (note for row, note in enumerate(notes.read(invented)) if row in chosen)]
    while any(left):
        side = int(rng.integers(sum(left)) >= left[0])
        left[side] -= 1
        yield next(sides[side])


if __name__ == "__main__":
    run(main)
