"""Confidence intervals and significance tests of scores, over groups of notes and over training seeds.

A replicate is one set of predictions for all notes of all folds: one seed. A score is averaged over replicates. Its
interval has two parts. The choice of notes enters by a percentile bootstrap (Efron and Tibshirani 1993) that
resamples groups of notes, the same ones in every replicate: groups, not notes, because the notes of one patient are
not independent. The choice of seeds enters by Student's t over the replicates' own scores, because resampling three
seeds covers 73 % instead of 95 %. The two distances from the score to a limit are added as squares (MOVER; Zou and
Donner 2008), which keeps the bootstrap's asymmetry and is exact where either part dominates.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydantic import Field
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

from stages.runtime.params import Section
from stages.scoring.counting import MEASURES, NOTE_MEASURES, Counts, Score, Totals, aligned, total

CONFIDENCE = 0.95
# Fewest replicates that measure the noise of training. With fewer, an interval is over notes alone, and no difference
# is tested.
REPLICATES = 3
# A p-value below this is given as 0.
_SMALLEST_P = 1e-9


class Bootstrap(Section):
    """The resampling of groups of notes behind confidence intervals and p-values."""

    samples: int = Field(default=1000, ge=100)
    """Bootstrap samples of an interval. Time and memory grow in proportion."""
    seed: int = 1
    """Seed of the samples. Everything that is compared gets the same samples."""


class Estimate(NamedTuple):
    """A score and its 95 % interval, over groups of notes and, from `REPLICATES` on, over seeds."""

    value: float
    low: float
    high: float


class Measured(NamedTuple):
    """A score, or a difference of two, as it was measured."""

    replicates: np.ndarray
    """Its value in every replicate, (replicates,)."""
    samples: np.ndarray
    """Its mean over replicates in every bootstrap sample of groups, (samples,)."""

    def minus(self, other: "Measured") -> "Measured":
        """The paired difference. Both must have the same seeds, notes and bootstrap."""
        return Measured(self.replicates - other.replicates, self.samples - other.samples)

    def estimate(self) -> Estimate:
        """Return the mean over replicates, with its interval; nan if it is undefined."""
        value = float(self.replicates.mean())
        if np.isnan(value) or np.isnan(self.samples).all():
            return Estimate(value, np.nan, np.nan)
        tail = (1 - CONFIDENCE) / 2
        low, high = np.nanquantile(self.samples, [tail, 1 - tail])
        seeds = self._seed_error() * stdtrit(max(1, len(self.replicates) - 1), 1 - tail)
        below, above = (float(np.hypot(seeds, max(0.0, part))) for part in (value - low, high - value))
        return Estimate(value, value - below, value + above)

    def p_value(self, null: float = 0.0) -> float | None:
        """Return the two-sided p-value of `null`: one minus the confidence at which the interval just excludes it.

        The bootstrap distribution is taken as normal for this. None with fewer than `REPLICATES` replicates, which
        say nothing about the noise of training.
        """
        distance = abs(float(self.replicates.mean()) - null)
        if len(self.replicates) < REPLICATES or np.isnan(distance):
            return None
        seeds, notes = self._seed_error(), float(np.nanstd(self.samples))

        def beyond(p: float) -> float:
            tail = 1 - p / 2
            return float(np.hypot(seeds * stdtrit(len(self.replicates) - 1, tail), notes * ndtri(tail))) - distance

        return brentq(beyond, _SMALLEST_P, 1.0) if beyond(_SMALLEST_P) > 0 > beyond(1.0) else float(not distance)

    def _seed_error(self) -> float:
        """Standard error of the mean over seeds; 0 where too few seeds measure it."""
        number = len(self.replicates)
        return float(self.replicates.std(ddof=1)) / number**0.5 if number >= REPLICATES else 0.0


def resample(replicates: Sequence[Counts], bootstrap: Bootstrap) -> Totals:
    """Return totals with leading axes (samples, replicates); a sample has as many groups as there are, with repeats.

    The same seed draws the same groups for every arm and replicate that was scored on the same notes.
    """
    sums = _by_group(replicates)
    weights = draws(len(sums.by_note), bootstrap)
    return Totals(sums.labels, np.tensordot(weights, sums.by_label, 1), np.tensordot(weights, sums.by_note, 1))


def _by_group(replicates: Sequence[Counts]) -> Totals:
    """Return the counts summed over the notes of each group, with leading axes (groups, replicates)."""
    groups = {group: row for row, group in enumerate(sorted(set(replicates[0].group_ids)))}
    labels, counted = aligned(replicates)
    by_label = np.zeros((len(groups), len(replicates), len(labels), len(MEASURES)))
    by_note = np.zeros((len(groups), len(replicates), len(NOTE_MEASURES)))
    for number, counts in enumerate(replicates):
        rows = [groups[group] for group in counts.group_ids]
        np.add.at(by_label[:, number], rows, counted[number])
        np.add.at(by_note[:, number], rows, counts.by_note)
    return Totals(labels, by_label, by_note)


def draws(groups: int, bootstrap: Bootstrap) -> np.ndarray:
    """Return how often each sample contains each group, (samples, groups), given their number and the seed."""
    generator = np.random.default_rng(bootstrap.seed)
    drawn = generator.multinomial(groups, np.full(groups, 1 / groups), bootstrap.samples)
    # Floats, exact up to 2**53, because numpy multiplies integer matrices slowly.
    return drawn.astype(float)


def mean(score: Score, replicates: Sequence[Counts]) -> np.ndarray:
    """Return a score averaged over replicates: one number, or one per label."""
    return score(total(replicates)).mean(axis=0)


def measure(score: Score, replicates: Sequence[Counts], bootstrap: Bootstrap) -> Measured:
    """Return a score in every replicate and in every bootstrap sample."""
    return Measured(score(total(replicates)), score(resample(replicates, bootstrap)).mean(axis=1))


def estimate(score: Score, replicates: Sequence[Counts], bootstrap: Bootstrap) -> Estimate:
    """Return a score averaged over replicates, with its interval."""
    return measure(score, replicates, bootstrap).estimate()


def difference(score: Score, arm: Sequence[Counts], reference: Sequence[Counts], bootstrap: Bootstrap) -> Measured:
    """Return the score of `arm` minus that of `reference`.

    It is paired: every replicate has the same seed, and every sample the same groups, of both. Raises ValueError if
    the two were not scored on the same notes.
    """
    if len({frozenset(counts.note_ids) for counts in (*arm, *reference)}) != 1:
        raise ValueError("the two arms were not scored on the same notes")
    return measure(score, arm, bootstrap).minus(measure(score, reference, bootstrap))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected for the number of tests (Holm 1979), in the order given; None stays None."""
    known = np.array([p for p in p_values if p is not None])
    order = np.argsort(known)
    ascending = np.minimum(1, known[order] * np.arange(len(known), 0, -1))
    corrected = iter(np.maximum.accumulate(ascending)[np.argsort(order)].tolist())
    return [None if p is None else next(corrected) for p in p_values]


def noise_of_training(replicates: int) -> str | None:
    """Return why nothing can be concluded from so few replicates; None if they are enough."""
    return None if replicates >= REPLICATES else f"{models(replicates)}: says nothing about training noise"


def untestable(replicates: int) -> str | None:
    """Return the same as a verdict."""
    return None if replicates >= REPLICATES else f"not testable: {models(replicates)}"


def models(number: int) -> str:
    """Return a number of models in words."""
    return f"{number} model{'' if number == 1 else 's'}"
