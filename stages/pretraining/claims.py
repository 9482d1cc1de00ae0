"""The claims of paper 2 on pretraining on rewritten notes, and what a run says about them (docs/method.md)."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
from pydantic import Field

from stages.pretraining.comparison import AllCounts, AllLosses, Trained, difference
from stages.runtime.params import Section
from stages.scoring import intervals, scores
from stages.scoring.intervals import Bootstrap, Estimate, Measured

# The design in which both mixtures are trained on for as many tokens, and the largest gap that counts as equal.
_MATCHED, _BUDGET = "compute-matched", 0.01
_LEVEL = 1 - intervals.CONFIDENCE


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
    losses: AllLosses,
    counts: AllCounts,
    trained: Trained,
    roles: Roles,
    bootstrap: Bootstrap,
    doubtful: Sequence[str],
) -> list[Claim]:
    """The claims, the second and third in both designs: additive and compute-matched.

    A claim holds if the difference has the right sign and p is below 0.05 with Holm's correction over all claims.
    """

    def minus(one: str, other: str, task: str | None) -> Measured | None:
        """The difference in bits per byte or, for a task, in score; None if a mixture was not run."""
        if one not in losses or other not in losses:
            return None
        if task is None:
            return difference(losses[one]["test"], losses[other]["test"], bootstrap)
        return intervals.difference(scores.strict_f1, counts[task][one], counts[task][other], bootstrap)

    # Name, design, the two mixtures, and the task.
    wanted: list[tuple[str, str, str, str, str | None]] = [
        ("rewriting against unseen", _MATCHED, roles.rephrased, roles.unseen, None),
        *(
            (f"{task or 'real and rewritten'}, {design}", design, roles.additive, other, task)
            for task in (None, *counts)
            for design, other in {"additive": roles.real, _MATCHED: roles.matched}.items()
        ),
    ]
    found = [minus(one, other, task) for _, _, one, other, task in wanted]
    controls = {task: minus(roles.real, roles.shuffled, task) for task in (None, *counts)}
    corrected = intervals.holm([None if measured is None else measured.p_value() for measured in found])
    made = []
    for (name, design, one, other, task), measured, p in zip(wanted, found, corrected, strict=True):
        sign = -1 if task is None else 1  # fewer bits, higher scores
        control = controls[task]
        holds = measured is not None and p is not None and sign * measured.replicates.mean() > 0 and p < _LEVEL
        why = verdict(
            measured,
            holds,
            control is not None and _agrees(control.estimate(), sign),
            doubtful,
            budget_gap(trained, one, other, "decoder" if task is None else "encoder") if design == _MATCHED else 0.0,
        )
        said = f"score of {one} above that of {other}" if task else f"bits per byte of {one} below those of {other}"
        made.append(Claim(name, said, measured and measured.estimate(), why))
    return made


def budget_gap(trained: Trained, one: str, other: str, kind: str) -> float:
    """By what share one of two mixtures was trained on more tokens than the other; 0 if one was not run."""
    if (kind, one) not in trained or (kind, other) not in trained:
        return 0.0
    tokens = [sum(run["tokens_trained"] for run in trained[kind, mixture]) for mixture in (one, other)]
    return max(tokens) / min(tokens) - 1 if min(tokens) else float(max(tokens) > 0)


def verdict(
    minus: Measured | None, holds: bool, measurable: bool, doubtful: Sequence[str], budget_gap: float = 0.0
) -> str:
    """held or not held, or why neither can be said."""
    if minus is None:
        return "not run: grid.mixtures lacks one of the two"
    if doubtful:
        return "not testable here"
    if few := intervals.untestable(len(minus.replicates)):
        return few
    if budget_gap > _BUDGET:
        return f"not testable: tokens trained on differ by {budget_gap:.1%}"
    if not measurable:
        return "not measurable at this size"
    return "held" if holds else "not held"


def _agrees(difference: Estimate, sign: int) -> bool:
    """Whether the whole interval has this sign."""
    return min(sign * difference.low, sign * difference.high) > 0
