"""Confidence intervals and significance tests of scores, by resampling whole groups of notes.

A replicate is one set of predictions for all notes of all folds: one seed. A score is averaged over replicates. Its
interval is a percentile bootstrap (Efron and Tibshirani 1993) that resamples groups of notes, the same ones in every
replicate, and the replicates themselves. Groups, not notes, because the notes of one patient are not independent.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydantic import Field

from stages.runtime.params import Section
from stages.scoring.counting import MEASURES, NOTE_MEASURES, Counts, Score, Totals, aligned, total

CONFIDENCE = 0.95


class Bootstrap(Section):
    """The resampling behind confidence intervals and p-values."""

    samples: int = Field(default=1000, ge=100)
    """Bootstrap samples of an interval, and random swaps of a p-value. Time and memory grow in proportion."""
    seed: int = 1
    """Seed of the samples. Everything that is compared gets the same samples."""


class Estimate(NamedTuple):
    """A score and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


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


def estimate(score: Score, replicates: Sequence[Counts], bootstrap: Bootstrap) -> Estimate:
    """Return a score averaged over replicates, with its interval."""
    drawn = over_replicates(score(resample(replicates, bootstrap)), bootstrap)
    return Estimate(float(mean(score, replicates)), *interval(drawn))


def difference(score: Score, arm: Sequence[Counts], reference: Sequence[Counts], bootstrap: Bootstrap) -> Estimate:
    """Return the score of `arm` minus that of `reference`, with its interval.

    The bootstrap is paired: every sample has the same groups and replicates of both. Raises ValueError if the two
    were not scored on the same notes.
    """
    _require_same_notes(arm, reference)
    drawn = [over_replicates(score(resample(side, bootstrap)), bootstrap) for side in (arm, reference)]
    return Estimate(float(mean(score, arm) - mean(score, reference)), *interval(drawn[0] - drawn[1]))


def randomisation(score: Score, arm: Sequence[Counts], reference: Sequence[Counts], bootstrap: Bootstrap) -> float:
    """Return the two-sided p-value of no difference, by approximate randomisation (Noreen 1989; Yeh 2000).

    Each sample swaps the predictions of the two arms on a random half of the groups of notes, the same in all
    replicates. The p-value is the share of the samples with at least the observed difference, the observed one
    counted as a sample: it is never below 1 / (samples + 1). Raises ValueError if the two were not scored on the same
    notes.
    """
    _require_same_notes(arm, reference)
    sums = _by_group([*arm, *reference])
    generator = np.random.default_rng((bootstrap.seed, 2))
    kept = generator.integers(0, 2, (bootstrap.samples, len(sums.by_note))).astype(float)
    ours, theirs = slice(len(arm)), slice(len(arm), None)
    swapped = []
    for own, other in ((ours, theirs), (theirs, ours)):
        parts = (sums.by_label, sums.by_note)
        mixed = (np.tensordot(kept, part[:, own], 1) + np.tensordot(1 - kept, part[:, other], 1) for part in parts)
        swapped.append(score(Totals(sums.labels, *mixed)))
    drawn = np.abs((swapped[0] - swapped[1]).mean(axis=1))
    observed = abs(float(mean(score, arm) - mean(score, reference)))
    # A difference that only rounding makes smaller than the observed one is as large.
    return (1 + int((drawn >= observed - 1e-12).sum())) / (bootstrap.samples + 1)


def _require_same_notes(arm: Sequence[Counts], reference: Sequence[Counts]) -> None:
    if len({frozenset(counts.note_ids) for counts in (*arm, *reference)}) != 1:
        raise ValueError("the two arms were not scored on the same notes")


def over_replicates(drawn: np.ndarray, bootstrap: Bootstrap) -> np.ndarray:
    """Return the score of every sample, (samples,), averaged over replicates that are drawn with repeats.

    `drawn` is (samples, replicates). With several seeds, an interval then covers the choice of seeds as well as the
    choice of notes.
    """
    number = drawn.shape[1]
    generator = np.random.default_rng((bootstrap.seed, 1))
    weights = generator.multinomial(number, np.full(number, 1 / number), len(drawn))
    # If a score is undefined in a replicate that was drawn, so is the mean.
    return np.where(weights > 0, drawn * weights, 0.0).sum(axis=1) / number


def interval(drawn: np.ndarray) -> tuple[float, float]:
    """Return the limits of the middle 95 % of the samples' scores; nan if none is defined."""
    if np.isnan(drawn).all():
        return np.nan, np.nan
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return float(low), float(high)
