"""The claims of paper 2 on pretraining on rewritten notes, and what a run says about them (docs/method.md)."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
from pydantic import Field

from stages.pretraining.comparison import AllCounts, AllLosses, difference
from stages.runtime.params import Section
from stages.scoring import intervals, scores
from stages.scoring.intervals import Bootstrap, Estimate


class Roles(Section):
    """Mixtures that the claims are about. A claim that needs one which grid.mixtures lacks is not tested."""

    real: str = Field(default="real")
    """The notes alone: the reference of all rows, and the upper bound of what rewriting can keep."""
    rephrased: str = Field(default="rephrased")
    """Rewritten notes alone."""
    unseen: str = Field(default="unseen")
    """Public texts, as many, rewritten by the same models, which never saw a note."""
    additive: str = Field(default="real-rephrased")
    """Notes and rewritten notes."""
    matched: str = Field(default="real-repeated")
    """The notes alone, repeated until as many tokens are trained on as in `additive`."""
    shuffled: str = Field(default="shuffled")
    """The notes with their words in random order. If `real` is not clearly better, nothing can be measured."""


class Claim(NamedTuple):
    """A claim, stated as a difference of two mixtures, and the verdict on it."""

    name: str
    statement: str
    difference: Estimate | None
    verdict: str


def doubts(writers: pl.DataFrame, clinical: bool) -> list[str]:
    """Why the claims cannot be tested on this run; empty if they can."""
    found = [] if clinical else ["the texts are not clinical notes (catalog.<corpus>.rewriting.clinical_notes)"]
    if not writers.height:
        return [*found, "no rephraser took part"]
    return found + [
        f"{row['rephraser']}/{row['prompt']} fails the fidelity check (pretraining.check.fidelity)"
        for row in writers.filter(~pl.col("faithful")).iter_rows(named=True)
    ]


def claims(
    losses: AllLosses, counts: AllCounts, roles: Roles, bootstrap: Bootstrap, doubtful: Sequence[str]
) -> list[Claim]:
    """The claims, the second and third in both designs: additive and compute-matched."""

    def claim(name: str, one: str, other: str, task: str | None = None) -> Claim:
        """The claim that `one` has fewer bits per byte than `other` or, for a task, a higher score."""

        def minus(one: str, other: str) -> tuple[Estimate | None, bool]:
            """The difference, None if a mixture was not run, and whether its whole interval agrees with the claim."""
            if one not in losses or other not in losses:
                return None, False
            if task is None:
                found = difference(losses[one]["test"], losses[other]["test"], bootstrap)
                return found, found.high < 0
            found = intervals.difference(scores.strict_f1, counts[task][one], counts[task][other], bootstrap)
            return found, found.low > 0

        bits, score = f"bits per byte of {one} below those of {other}", f"score of {one} above that of {other}"
        found, holds = minus(one, other)
        _, measurable = minus(roles.real, roles.shuffled)
        return Claim(name, score if task else bits, found, verdict(found, holds, measurable, doubtful))

    found = [claim("rewriting against unseen", roles.rephrased, roles.unseen)]
    for task in (None, *counts):
        for design, other in {"additive": roles.real, "compute-matched": roles.matched}.items():
            found.append(claim(f"{task or 'real and rewritten'}, {design}", roles.additive, other, task))
    return found


def verdict(minus: Estimate | None, holds: bool, measurable: bool, doubtful: Sequence[str]) -> str:
    """held or not held, or why neither can be said."""
    if minus is None:
        return "not run: grid.mixtures lacks one of the two"
    if doubtful:
        return "not testable here"
    if not measurable:
        return "not measurable at this size"
    return "held" if holds else "not held"
