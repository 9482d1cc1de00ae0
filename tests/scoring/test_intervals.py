import time
from dataclasses import replace

import numpy as np
import pytest

from stages.notes.note_table import Note, Span
from stages.scoring import counting, intervals, scores
from tests.scoring.examples import random_notes


def draws(samples: int, seed: int) -> intervals.Bootstrap:
    return intervals.Bootstrap(samples=samples, seed=seed)


def test_the_bootstrap_is_the_sum_over_drawn_groups():
    pairs = random_notes(3, notes=8)
    counts = counting.count(pairs)
    drawn = intervals.resample([counts], draws(100, seed=5))
    # The same draws by hand: each group as often as the multinomial says.
    times = np.random.default_rng(5).multinomial(4, [1 / 4] * 4, 100)
    for sample in range(20):
        chosen = [pair for pair in pairs for _ in range(times[sample][int(pair[0].group_id[1:])])]
        by_hand = counting.count(chosen).total()
        assert drawn["gold"][sample, 0] == by_hand["gold"]
        assert drawn["hits"][sample, 0] == by_hand["hits"]
        assert drawn["clean"][sample, 0] == by_hand["clean"]


def test_an_estimate_is_seeded_and_covers_its_value():
    counts = counting.count(random_notes(1))
    first = intervals.estimate(scores.strict_f1, [counts], draws(1000, seed=1))
    assert first == intervals.estimate(scores.strict_f1, [counts], draws(1000, seed=1))
    assert first != intervals.estimate(scores.strict_f1, [counts], draws(1000, seed=2))
    assert first.value == scores.strict_f1(counts.total())
    assert first.low < first.value < first.high
    assert 0.02 < first.high - first.low < 0.2


def test_the_interval_covers_the_truth_nineteen_times_in_twenty():
    """Groups of equal size and hit rate 0.8: recall's interval is that of a proportion."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        hits = rng.binomial(10, 0.8, size=60)
        pairs = []
        for number, hit in enumerate(hits):
            spans = tuple(Span(2 * i, 2 * i + 1, "A") for i in range(10))
            note = Note(f"n{number}", f"g{number}", "a " * 10, spans)
            pairs.append((note, replace(note, spans=spans[:hit])))
        low, high = intervals.estimate(scores.SCORES["strict_recall"], [counting.count(pairs)], draws(500, seed=1))[
            1:
        ]
        covered += low <= 0.8 <= high
    assert 88 <= covered <= 100


def test_pairs_share_their_draws():
    pairs = random_notes(1)
    counts = counting.count(pairs)
    worse = counting.count([(gold, replace(guess, spans=guess.spans[1:])) for gold, guess in pairs])
    same = intervals.difference(scores.strict_f1, [counts], [counts], draws(200, seed=1))
    assert same.estimate() == (0, 0, 0)
    paired = intervals.difference(scores.strict_f1, [worse], [counts], draws(1000, seed=1)).estimate()
    single = intervals.estimate(scores.strict_f1, [worse], draws(1000, seed=1))
    assert paired.value == scores.strict_f1(worse.total()) - scores.strict_f1(counts.total())
    assert paired.high < 0
    assert paired.high - paired.low < single.high - single.low


def test_a_difference_needs_the_same_notes():
    pairs = random_notes(1)
    counts, fewer = counting.count(pairs), counting.count(pairs[2:])
    with pytest.raises(ValueError, match="same notes"):
        intervals.difference(scores.strict_f1, [counts], [fewer], draws(100, seed=1))


def test_replicates_are_averaged_and_folds_pooled():
    pairs = random_notes(1)
    whole = counting.count(pairs)
    folds = counting.pool([counting.count(pairs[:20]), counting.count(pairs[20:])])
    assert folds.note_ids == whole.note_ids
    assert scores.all_scores(folds.total()) == scores.all_scores(whole.total())
    worse = counting.count([(gold, replace(guess, spans=guess.spans[1:])) for gold, guess in pairs])
    both = intervals.estimate(scores.strict_f1, [whole, worse], draws(100, seed=1))
    assert both.value == pytest.approx((scores.strict_f1(whole.total()) + scores.strict_f1(worse.total())) / 2)


def recalled(hits, spans=12):
    """Counts of one label in notes that are groups of their own: `hits` of so many spans each."""
    notes = len(hits)
    by_label = np.zeros((notes, 1, len(counting.MEASURES)), dtype=int)
    for measure, values in {"hits": hits, "gold": spans, "predicted": spans}.items():
        by_label[:, 0, counting.MEASURES.index(measure)] = values
    names = tuple(map(str, range(notes)))
    return counting.Counts(("A",), by_label, np.ones((notes, len(counting.NOTE_MEASURES)), dtype=int), names, names)


RECALL = scores.SCORES["strict_recall"]


def test_a_few_replicates_have_intervals_over_notes_alone_and_no_p():
    """Two models that differ much, on notes that are all alike."""
    both = [recalled([12] * 9), recalled([6] * 9)]
    assert intervals.estimate(RECALL, both, draws(200, seed=1)) == (0.75, 0.75, 0.75)
    assert intervals.difference(RECALL, both, both[::-1], draws(200, seed=1)).p_value() is None
    assert intervals.noise_of_training(1) == "1 model: says nothing about training noise"
    assert intervals.noise_of_training(2) == "2 models: says nothing about training noise"
    assert intervals.noise_of_training(3) is None


def test_where_notes_are_alike_the_interval_is_student_s():
    from scipy.stats import ttest_1samp

    three = [recalled([hits] * 9) for hits in (9, 10, 12)]
    found = intervals.estimate(RECALL, three, draws(200, seed=1))
    student = ttest_1samp(np.array([9, 10, 12]) / 12, 0).confidence_interval(0.95)
    assert found == pytest.approx((31 / 36, student.low, student.high))
    minus = intervals.difference(RECALL, three, [recalled([6] * 9)] * 3, draws(200, seed=1))
    expected = ttest_1samp(np.array([9, 10, 12]) / 12 - 0.5, 0).pvalue
    assert minus.p_value() == pytest.approx(expected, rel=1e-6)
    assert minus.p_value(0.3) == pytest.approx(ttest_1samp(np.array([9, 10, 12]) / 12 - 0.5, 0.3).pvalue, rel=1e-6)


def test_where_seeds_are_alike_the_interval_is_the_bootstrap_s():
    hits = np.random.default_rng(0).binomial(12, 0.8, 60)
    one = intervals.estimate(RECALL, [recalled(hits)], draws(1000, seed=1))
    assert intervals.estimate(RECALL, [recalled(hits)] * 3, draws(1000, seed=1)) == pytest.approx(one)
    assert one.low < one.value < one.high
    same = intervals.difference(RECALL, [recalled(hits)] * 3, [recalled(hits)] * 3, draws(100, seed=1))
    assert same.estimate() == (0, 0, 0)
    assert same.p_value() == 1
    worse = intervals.difference(RECALL, [recalled(hits)] * 3, [recalled(hits + 3)] * 3, draws(100, seed=1))
    assert worse.p_value() == 0  # every note has 3 spans fewer in every replicate


@pytest.mark.slow
@pytest.mark.parametrize("replicates", [3, 5, 10])
@pytest.mark.parametrize(("notes", "spread"), [(100, 0.15), (300, 0.0)])
def test_intervals_cover_where_seeds_matter(replicates, notes, spread):
    """Training noise of 0.015, as small models have it, on notes that differ in difficulty, or do not.

    500 trials measure a coverage of 0.95 to 0.01 (one standard error). Resampling three seeds covers 0.78 of the
    scores where notes are alike.
    """
    rng = np.random.default_rng(replicates * notes)
    bootstrap = draws(100, seed=1)

    def measured(difficulty):
        right = difficulty[:, None] + rng.normal(0, 0.015, replicates)
        arms = [recalled(hits) for hits in rng.binomial(12, np.clip(right, 0, 1)).T]
        return intervals.measure(RECALL, arms, bootstrap)

    truth = np.clip(0.85 + rng.normal(0, spread, 10**6), 0.3, 0.99).mean() if spread else 0.85
    scores_covered = differences_covered = rejected = 0
    for _ in range(500):
        difficulty = np.clip(0.85 + rng.normal(0, spread, notes), 0.3, 0.99)
        arm = measured(difficulty)
        minus = arm.minus(measured(difficulty))
        scores_covered += arm.estimate().low <= truth <= arm.estimate().high
        differences_covered += minus.estimate().low <= 0 <= minus.estimate().high
        rejected += minus.p_value() < 0.05
    assert scores_covered / 500 >= 0.93
    assert differences_covered / 500 >= 0.93
    assert rejected / 500 <= 0.07


def test_holm_corrects_for_the_number_of_tests():
    # statsmodels' multipletests(..., method="holm") of the same p-values.
    assert intervals.holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert intervals.holm([None, 0.9, 0.8]) == [None, 1, 1]
    assert intervals.holm([]) == []


def test_a_thousand_samples_of_three_arms_take_seconds():
    """250 notes with 22 labels, as many as MEDDOCAN's dev part; the target is 5 seconds of one core."""
    rng = np.random.default_rng(0)
    labels = tuple(f"L{number:02}" for number in range(22))
    names = tuple(map(str, range(250)))
    arms = []
    for _ in range(3):
        by_label = rng.integers(0, 5, size=(250, 22, len(counting.MEASURES)))
        by_note = np.ones((250, len(counting.NOTE_MEASURES)), dtype=int)
        arms.append([counting.Counts(labels, by_label, by_note, names, names)])
    start = time.process_time()
    for arm in arms:
        intervals.estimate(scores.strict_f1, arm, draws(1000, seed=1))
        intervals.difference(scores.strict_f1, arm, arms[0], draws(1000, seed=1))
    assert time.process_time() - start < 5
