import time
import warnings
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nervaluate import Evaluator
from seqeval.metrics import classification_report, f1_score, precision_score, recall_score
from seqeval.scheme import IOB2

from stages.shared import scoring, tags
from stages.shared.notes import Note, Span

TEXT = "Dr. Ana Ruiz-Gil, 34 años. Calle Mayor 5\n28013 Madrid. Tel. 600-11"
ANA, RUIZ, GIL = (4, 7), (8, 12), (13, 16)
NAME = Span(4, 16, "NAME")
AGE = Span(18, 20, "AGE")
STREET = Span(27, 40, "STREET")
ZIP = Span(41, 46, "ZIP")
CITY = Span(47, 53, "CITY")
GOLD = Note("n1", "g1", TEXT, (NAME, AGE, STREET, ZIP, CITY))


def scored(*spans: Span, gold: Note = GOLD, seen: frozenset[str] = frozenset()):
    """The totals of one note with these spans predicted."""
    return scoring.count([(gold, replace(gold, spans=tuple(sorted(spans))))], seen).total()


def strict(totals):
    return tuple(int(totals[measure]) for measure in ("hits", "predicted", "gold"))


# name: predicted spans, (strict hits, predicted, gold), located, spans hidden, words (hit, predicted, gold, hidden)
SCENARIOS = {
    "all right": ((NAME, AGE, STREET, ZIP, CITY), (5, 5, 5), 5, 5, (10, 10, 10, 10)),
    "nothing predicted": ((), (0, 0, 5), 0, 0, (0, 0, 10, 0)),
    "wrong label still hides": (
        (NAME, AGE, STREET, replace(ZIP, label="AGE"), CITY),
        (4, 5, 5),
        5,
        5,
        (9, 10, 10, 10),
    ),
    "one span cut in two hides all but the hyphen": (
        (Span(4, 12, "NAME"), Span(13, 16, "NAME"), AGE, STREET, ZIP, CITY),
        (4, 6, 5),
        4,
        5,
        (9, 9, 10, 9),
    ),
    "too short leaves a surname": (
        (Span(4, 12, "NAME"), AGE, STREET, ZIP, CITY),
        (4, 5, 5),
        4,
        4,
        (8, 8, 10, 8),
    ),
    "too long hides more": (
        (Span(0, 16, "NAME"), AGE, STREET, ZIP, CITY),
        (4, 5, 5),
        4,
        5,
        (10, 12, 10, 10),
    ),
    "one span over two": (
        (NAME, AGE, STREET, Span(41, 53, "ZIP")),
        (3, 4, 5),
        3,
        5,
        (9, 10, 10, 10),
    ),
    "a false alarm": (
        (NAME, AGE, STREET, ZIP, CITY, Span(55, 58, "PHONE")),
        (5, 6, 5),
        5,
        5,
        (10, 11, 10, 10),
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name):
    spans, expected, located, hidden, words = SCENARIOS[name]
    totals = scored(*spans)
    assert strict(totals) == expected
    assert totals["located"] == located
    assert totals["hidden"] == hidden
    names = ("hit_words", "predicted_words", "gold_words", "hidden_words")
    assert tuple(totals[measure] for measure in names) == words
    assert totals["clean"] == (hidden == 5)
    assert scoring.SCORES["leaks_per_note"](totals) == 5 - hidden
    hits, predicted, gold = expected
    assert scoring.SCORES["leak_rate"](totals) == pytest.approx((gold - hits) / 6)
    assert scoring.strict_f1(totals) == 2 * hits / (predicted + gold)


def test_a_span_without_letters_or_digits_is_hidden_only_whole():
    note = Note("n", "g", "sexo: -+-", (Span(6, 9, "SEX"),))
    assert scored(Span(6, 8, "SEX"), gold=note)["hidden"] == 0
    assert scored(Span(6, 9, "AGE"), gold=note)["hidden"] == 1


def test_a_note_without_pii_is_clean_and_its_scores_undefined():
    note = Note("n", "g", "Sin fiebre.")
    result = scoring.scores(scored(gold=note))
    assert result["clean_notes"] == 1
    assert result["leaks_per_note"] == 0
    undefined = {"strict_f1", "strict_f1_macro", "token_recall", "merged_f1", "seen_recall", "unseen_recall"}
    assert {name for name in undefined if result[name] is not None} == set()


def test_a_false_alarm_in_a_note_without_pii_scores_0_as_in_seqeval():
    result = scoring.scores(scored(Span(0, 3, "NAME"), gold=Note("n", "g", "Sin fiebre.")))
    assert (result["strict_precision"], result["strict_recall"], result["strict_f1"]) == (0, 0, 0)


# name: gold spans, predicted spans, (true positives, false positives, false negatives) of MEDDOCAN's script
MERGED = {
    "cut at a hyphen": ([(4, 16)], [(4, 12), (13, 16)], (1, 0, 0)),
    "one over two neighbours": ([(41, 46), (47, 53)], [(41, 53)], (1, 0, 0)),
    "a word between": ([(4, 7), (13, 16)], [(4, 16)], (0, 1, 2)),
    "same neighbours count three times": ([(41, 46), (47, 53)], [(41, 46), (47, 53)], (3, 0, 0)),
    "one end differs": ([(41, 46), (47, 53)], [(41, 46), (47, 50)], (1, 1, 1)),
}


@pytest.mark.parametrize("name", MERGED)
def test_merged_scores_are_those_of_meddocan(name):
    gold, predicted, expected = MERGED[name]
    note = Note("n", "g", TEXT, tuple(Span(*edges, "A") for edges in gold))
    totals = scored(*(Span(*edges, "B") for edges in predicted), gold=note)
    assert tuple(totals[measure] for measure in ("merged_hits", "merged_extra", "merged_missed")) == expected


@pytest.mark.parametrize(
    ("text", "sentences"),
    [("", 0), ("Una. Dos! ¿Tres? Fin", 4), ("a\n\nb\r\n---\nc", 3), ("3.5 mg", 1), ("Dr. Ruiz", 2)],
)
def test_sentences(text, sentences):
    assert scoring.sentences(text) == sentences


def test_recall_on_seen_and_unseen_surfaces():
    seen = frozenset({scoring.surface_key("CALLE  mayor\n5"), scoring.surface_key("Madrid")})
    totals = scored(STREET, ZIP, seen=seen)
    assert (totals["seen"], totals["seen_hits"]) == (2, 1)
    assert scoring.SCORES["seen_recall"](totals) == 1 / 2
    assert scoring.SCORES["unseen_recall"](totals) == 1 / 3


def test_notes_must_be_the_same():
    with pytest.raises(ValueError, match="n1 and n2"):
        scoring.count([(GOLD, replace(GOLD, note_id="n2"))])
    with pytest.raises(ValueError) as caught:
        scoring.count([(GOLD, replace(GOLD, text=TEXT + "!"))])
    assert "Ana" not in str(caught.value)


# Outside oracles, on random notes


def random_notes(seed: int, notes: int = 60) -> list[tuple[Note, Note]]:
    """Gold and predicted notes of invented words; a prediction is the gold with every kind of mistake."""
    rng = np.random.default_rng(seed)
    pairs = []
    for number in range(notes):
        text = " ".join(rng.choice(["uno", "dos", "Ana", "Ruiz-Gil", "28013", "12/3"], size=40))
        edges = tags.words(text)
        gold = random_spans(rng, edges, ["A", "B", "C"], 0.15)
        kept = [span for span in gold if rng.random() < 0.8]
        kept = [replace(span, label="C") if rng.random() < 0.2 else span for span in kept]
        free = [
            span
            for span in random_spans(rng, edges, ["A", "B", "D"], 0.05)
            if all(span.end <= other.start or other.end <= span.start for other in kept)
        ]
        note = Note(f"n{number}", f"g{number // 2}", text, tuple(gold))
        pairs.append((note, replace(note, spans=tuple(sorted(kept + free)))))
    return pairs


def random_spans(rng, edges, labels, density) -> list[Span]:
    spans, word = [], 0
    while word < len(edges):
        if rng.random() < density:
            last = min(word + int(rng.integers(1, 4)), len(edges)) - 1
            spans.append(Span(edges[word][0], edges[last][1], str(rng.choice(labels))))
            word = last
        word += 1
    return spans


def bio(pairs, side: int) -> list[list[str]]:
    return [tags.encode(pair[side].spans, tags.words(pair[side].text)) for pair in pairs]


@pytest.mark.parametrize("seed", range(5))
def test_strict_scores_are_those_of_seqeval(seed):
    pairs = random_notes(seed)
    gold, predicted = bio(pairs, 0), bio(pairs, 1)
    totals = scoring.count(pairs).total()
    ours = scoring.scores(totals)
    options = {"mode": "strict", "scheme": IOB2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = classification_report(gold, predicted, output_dict=True, zero_division=0, **options)
        assert ours["strict_f1"] == pytest.approx(f1_score(gold, predicted, **options), abs=1e-4)
        assert ours["strict_precision"] == pytest.approx(
            precision_score(gold, predicted, **options), abs=1e-4
        )
        assert ours["strict_recall"] == pytest.approx(recall_score(gold, predicted, **options), abs=1e-4)
    assert 0.5 < ours["strict_f1"] < 0.9
    assert ours["strict_f1_macro"] == pytest.approx(theirs["macro avg"]["f1-score"], abs=1e-4)
    labels = scoring.by_label(totals)
    assert set(labels) == {"A", "B", "C", "D"}
    for label, row in labels.items():
        assert row["f1"] == pytest.approx(theirs[label]["f1-score"], abs=1e-4)
        assert row["precision"] == pytest.approx(theirs[label]["precision"], abs=1e-4)
        assert row["recall"] == pytest.approx(theirs[label]["recall"], abs=1e-4)
        assert row["gold"] == theirs[label]["support"]


@pytest.mark.parametrize("seed", range(3))
def test_strict_and_boundary_scores_are_those_of_nervaluate(seed):
    pairs = random_notes(seed)
    ours = as_nervaluate(pairs, {"strict": "strict", "exact": "boundary"})
    assert ours["boundary_f1"] > ours["strict_f1"] + 0.05


@pytest.mark.parametrize("seed", range(3))
def test_partial_and_type_scores_are_those_of_nervaluate(seed):
    """Where a prediction overlaps one gold span: with more, nervaluate counts a gold span more than once."""
    rng = np.random.default_rng(seed)
    pairs = []
    for gold, guess in random_notes(seed):
        edges = tags.words(gold.text)
        clear = [
            span
            for span in guess.spans
            if sum(span.start < other.end and other.start < span.end for other in gold.spans) < 2
        ]
        clear = [span for span in clear if span in gold.spans or not overlaps(span, gold.spans)]
        cut = tuple(shorter(span, edges) if rng.random() < 0.5 else span for span in clear)
        pairs.append((gold, replace(guess, spans=cut)))
    ours = as_nervaluate(pairs, {"partial": "partial", "ent_type": "type"})
    assert ours["strict_f1"] + 0.02 < ours["partial_f1"] < ours["type_f1"]


def as_nervaluate(pairs, names: dict[str, str]) -> dict:
    """Our scores of the pairs; those named, theirs by ours, are nervaluate's."""
    theirs = Evaluator(bio(pairs, 0), bio(pairs, 1), tags=["A", "B", "C", "D"], loader="list").evaluate()
    ours = scoring.scores(scoring.count(pairs).total())
    for kind, name in names.items():
        outside = theirs["overall"][kind]
        assert ours[f"{name}_f1"] == pytest.approx(outside.f1, abs=1e-4)
        assert ours[f"{name}_precision"] == pytest.approx(outside.precision, abs=1e-4)
        assert ours[f"{name}_recall"] == pytest.approx(outside.recall, abs=1e-4)
    return ours


def overlaps(span: Span, others) -> bool:
    return any(span.start < other.end and other.start < span.end for other in others)


def shorter(span: Span, edges) -> Span:
    """The span without its last word, if it has several."""
    ends = [end for start, end in edges if span.start <= start and end <= span.end]
    return replace(span, end=ends[-2]) if len(ends) > 1 else span


def test_words_are_confused_by_label():
    guess = replace(GOLD, spans=(NAME, replace(AGE, label="ZIP"), Span(55, 58, "PHONE")))
    found: Counter = Counter()
    pairs = [(GOLD, guess), (GOLD, guess)]
    assert list(scoring.confused(pairs, found)) == pairs
    assert found["NAME", "NAME"] == 2 * 4
    assert found["AGE", "ZIP"] == 2 * 1
    assert found["O", "PHONE"] == 2 * 1
    assert sum(found.values()) == 2 * len(tags.words(GOLD.text))
    assert ("AGE", "AGE") not in found


def test_token_f1_is_that_of_scikit_learn():
    from sklearn.metrics import f1_score as token_f1

    pairs = random_notes(7)
    flat = [[tag[2:] for note in bio(pairs, side) for tag in note] for side in (0, 1)]
    theirs = token_f1(*flat, labels=["A", "B", "C", "D"], average="micro")
    assert scoring.scores(scoring.count(pairs).total())["token_f1"] == pytest.approx(theirs, abs=1e-6)


# No prediction pattern breaks the identities


@st.composite
def any_pair(draw) -> tuple[Note, Note]:
    text = draw(st.text(alphabet="aB3 -.\n\u0301é", min_size=1, max_size=40))

    def spans() -> tuple[Span, ...]:
        edges = draw(st.lists(st.integers(0, len(text)), max_size=10, unique=True).map(sorted))
        label = st.sampled_from("XYZ")
        return tuple(Span(a, b, draw(label)) for a, b in zip(edges[::2], edges[1::2], strict=False))

    note = Note("n", "g", text, spans())
    return note, replace(note, spans=spans())


@settings(max_examples=300, deadline=None)
@given(st.lists(any_pair(), min_size=1, max_size=4))
def test_identities(pairs):
    counts = scoring.count(pairs)
    totals = counts.total()
    assert totals["gold"] == sum(len(gold.spans) for gold, _ in pairs)
    assert totals["predicted"] == sum(len(predicted.spans) for _, predicted in pairs)
    for row in [scoring.counts(totals), *scoring.by_label(totals).values()]:
        assert row["true_positives"] + row["false_negatives"] == row["gold"]
        assert row["true_positives"] + row["false_positives"] == row["predicted"]
        assert min(value for value in row.values() if value is not None) >= 0
    for part, whole in (
        ("hits", "located"),
        ("located", "gold"),
        ("located", "predicted"),
        ("located", "hidden"),
        ("located", "touched"),
        ("located", "touching"),
        ("hits", "typed"),
        ("hits", "typing"),
        ("typed", "touched"),
        ("typing", "touching"),
        ("touched", "gold"),
        ("touching", "predicted"),
        ("hidden", "gold"),
        ("hit_words", "hidden_words"),
        ("hidden_words", "gold_words"),
        ("hidden_words", "predicted_words"),
        ("hidden_characters", "gold_characters"),
        ("seen_hits", "seen"),
        ("clean", "notes"),
    ):
        assert 0 <= totals[part] <= totals[whole], (part, whole)
    assert totals["notes"] == len(pairs)
    for name, value in scoring.scores(totals).items():
        assert value is None or (0 <= value <= 1) or name in ("leaks_per_note", "leak_rate"), name
    perfect = scoring.scores(scoring.count([(gold, gold) for gold, _ in pairs]).total())
    assert {perfect[name] for name in perfect if name.endswith(("_f1", "_recall"))} <= {1.0, None}
    assert perfect["clean_notes"] == 1


# Intervals


def draws(samples: int, seed: int) -> scoring.Bootstrap:
    return scoring.Bootstrap(samples=samples, seed=seed)


def test_the_bootstrap_is_the_sum_over_drawn_groups():
    pairs = random_notes(3, notes=8)
    counts = scoring.count(pairs)
    drawn = scoring.resample([counts], draws(100, seed=5))
    # The same draws by hand: each group as often as the multinomial says.
    times = np.random.default_rng(5).multinomial(4, [1 / 4] * 4, 100)
    for sample in range(20):
        chosen = [pair for pair in pairs for _ in range(times[sample][int(pair[0].group_id[1:])])]
        by_hand = scoring.count(chosen).total()
        assert drawn["gold"][sample, 0] == by_hand["gold"]
        assert drawn["hits"][sample, 0] == by_hand["hits"]
        assert drawn["clean"][sample, 0] == by_hand["clean"]


def test_an_estimate_is_seeded_and_covers_its_value():
    counts = scoring.count(random_notes(1))
    first = scoring.estimate(scoring.strict_f1, [counts], draws(1000, seed=1))
    assert first == scoring.estimate(scoring.strict_f1, [counts], draws(1000, seed=1))
    assert first != scoring.estimate(scoring.strict_f1, [counts], draws(1000, seed=2))
    assert first.value == scoring.strict_f1(counts.total())
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
        low, high = scoring.estimate(
            scoring.SCORES["strict_recall"], [scoring.count(pairs)], draws(500, seed=1)
        )[1:]
        covered += low <= 0.8 <= high
    assert 88 <= covered <= 100


def test_pairs_share_their_draws():
    pairs = random_notes(1)
    counts = scoring.count(pairs)
    worse = scoring.count([(gold, replace(guess, spans=guess.spans[1:])) for gold, guess in pairs])
    same = scoring.difference(scoring.strict_f1, [counts], [counts], draws(200, seed=1))
    assert same == (0, 0, 0)
    paired = scoring.difference(scoring.strict_f1, [worse], [counts], draws(1000, seed=1))
    single = scoring.estimate(scoring.strict_f1, [worse], draws(1000, seed=1))
    assert paired.value == scoring.strict_f1(worse.total()) - scoring.strict_f1(counts.total())
    assert paired.high < 0
    assert paired.high - paired.low < single.high - single.low


def test_a_difference_needs_the_same_notes():
    counts = scoring.count(random_notes(1))
    fewer = counts.without_groups({"g0"})
    with pytest.raises(ValueError, match="same notes"):
        scoring.difference(scoring.strict_f1, [counts], [fewer], draws(100, seed=1))


def test_replicates_are_averaged_and_folds_pooled():
    pairs = random_notes(1)
    whole = scoring.count(pairs)
    folds = scoring.pool([scoring.count(pairs[:20]), scoring.count(pairs[20:])])
    assert folds.note_ids == whole.note_ids
    assert scoring.scores(folds.total()) == scoring.scores(whole.total())
    worse = scoring.count([(gold, replace(guess, spans=guess.spans[1:])) for gold, guess in pairs])
    both = scoring.estimate(scoring.strict_f1, [whole, worse], draws(100, seed=1))
    assert both.value == pytest.approx(
        (scoring.strict_f1(whole.total()) + scoring.strict_f1(worse.total())) / 2
    )


def test_intervals_cover_the_choice_of_seeds():
    """Two replicates that differ much on notes that are all alike: draws take either, or both."""
    pairs = [(replace(GOLD, note_id=str(i), group_id=str(i)),) * 2 for i in range(9)]
    missed = [(gold, replace(guess, spans=guess.spans[:1])) for gold, guess in pairs]
    both = [scoring.count(pairs), scoring.count(missed)]
    found = scoring.estimate(scoring.SCORES["strict_recall"], both, draws(200, seed=1))
    assert found == pytest.approx((0.6, 0.2, 1.0))
    # The same seeds from both arms: what they share is no difference.
    assert scoring.difference(scoring.strict_f1, both, both, draws(200, seed=1)) == (0, 0, 0)


def test_randomisation_gives_the_p_of_scipy():
    from scipy.stats import permutation_test

    def arm(hits):
        spans = tuple(Span(2 * i, 2 * i + 1, "A") for i in range(10))
        rows = [Note(f"n{g}", f"g{g}", "a " * 10, spans) for g in range(len(hits))]
        return scoring.count(
            [(note, replace(note, spans=spans[:hit])) for note, hit in zip(rows, hits, strict=True)]
        )

    one, other = (
        np.array([7, 8, 6, 9, 5, 8, 7, 6, 9, 8, 5, 7]),
        np.array([6, 8, 5, 7, 6, 7, 7, 5, 9, 6, 5, 8]),
    )
    exact = permutation_test(
        (one, other), lambda a, b: np.mean(a) - np.mean(b), permutation_type="samples", n_resamples=np.inf
    ).pvalue
    recall = scoring.SCORES["strict_recall"]
    ours = scoring.randomisation(recall, [arm(one)], [arm(other)], draws(20000, seed=1))
    assert 0.02 < exact < 0.9
    assert ours == pytest.approx(exact, abs=0.01)
    assert scoring.randomisation(recall, [arm(one)], [arm(one)], draws(100, seed=1)) == 1


def test_labels_of_one_part_only_are_kept_apart():
    one = scoring.count([(GOLD, replace(GOLD, spans=(Span(0, 3, "TITLE"),)))])
    other = scoring.count([(GOLD, GOLD)])
    totals = scoring.total([one, other])
    assert totals.labels == ("AGE", "CITY", "NAME", "STREET", "TITLE", "ZIP")
    assert totals.of_labels("predicted").tolist() == [[0, 0, 0, 0, 1, 0], [1, 1, 1, 1, 0, 1]]
    assert totals.of_labels("gold").tolist() == [[1, 1, 1, 1, 0, 1]] * 2


def test_scores_without_groups_leave_their_notes_out():
    pairs = random_notes(1)
    counts = scoring.count(pairs).without_groups({"g0", "g1"})
    assert counts.note_ids == tuple(gold.note_id for gold, _ in pairs[4:])
    assert counts.total()["gold"] == sum(len(gold.spans) for gold, _ in pairs[4:])


def test_a_thousand_samples_of_three_arms_take_seconds():
    """250 notes with 22 labels, as many as MEDDOCAN's dev part; the target is 5 seconds of one core."""
    rng = np.random.default_rng(0)
    labels = tuple(f"L{number:02}" for number in range(22))
    names = tuple(map(str, range(250)))
    arms = []
    for _ in range(3):
        by_label = rng.integers(0, 5, size=(250, 22, len(scoring.MEASURES)))
        by_note = np.ones((250, len(scoring.NOTE_MEASURES)), dtype=int)
        arms.append([scoring.Counts(names, names, labels, by_label, by_note)])
    start = time.process_time()
    for arm in arms:
        scoring.estimate(scoring.strict_f1, arm, draws(1000, seed=1))
        scoring.difference(scoring.strict_f1, arm, arms[0], draws(1000, seed=1))
    assert time.process_time() - start < 5
