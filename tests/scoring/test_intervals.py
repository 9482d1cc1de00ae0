import time
from dataclasses import replace

import numpy as np
import pytest

from stages.notes.note_table import Note, Span
from stages.scoring import counting, intervals, scores
from tests.scoring.examples import GOLD, random_notes


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
    assert same == (0, 0, 0)
    paired = intervals.difference(scores.strict_f1, [worse], [counts], draws(1000, seed=1))
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


def test_intervals_cover_the_choice_of_seeds():
    """Two replicates that differ much on notes that are all alike: draws take either, or both."""
    pairs = [(replace(GOLD, note_id=str(i), group_id=str(i)),) * 2 for i in range(9)]
    missed = [(gold, replace(guess, spans=guess.spans[:1])) for gold, guess in pairs]
    both = [counting.count(pairs), counting.count(missed)]
    found = intervals.estimate(scores.SCORES["strict_recall"], both, draws(200, seed=1))
    assert found == pytest.approx((0.6, 0.2, 1.0))
    # The same seeds from both arms: what they share is no difference.
    assert intervals.difference(scores.strict_f1, both, both, draws(200, seed=1)) == (0, 0, 0)


def test_randomisation_gives_the_p_of_scipy():
    from scipy.stats import permutation_test

    def arm(hits):
        spans = tuple(Span(2 * i, 2 * i + 1, "A") for i in range(10))
        rows = [Note(f"n{g}", f"g{g}", "a " * 10, spans) for g in range(len(hits))]
        return counting.count(
            [(note, replace(note, spans=spans[:hit])) for note, hit in zip(rows, hits, strict=True)]
        )

    one, other = (np.array([7, 8, 6, 9, 5, 8, 7, 6, 9, 8, 5, 7]), np.array([6, 8, 5, 7, 6, 7, 7, 5, 9, 6, 5, 8]))
    exact = permutation_test(
        (one, other), lambda a, b: np.mean(a) - np.mean(b), permutation_type="samples", n_resamples=np.inf
    ).pvalue
    recall = scores.SCORES["strict_recall"]
    ours = intervals.randomisation(recall, [arm(one)], [arm(other)], draws(20000, seed=1))
    assert 0.02 < exact < 0.9
    assert ours == pytest.approx(exact, abs=0.01)
    assert intervals.randomisation(recall, [arm(one)], [arm(one)], draws(100, seed=1)) == 1


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
