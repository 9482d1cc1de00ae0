import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nervaluate import Evaluator
from seqeval.metrics import classification_report, f1_score, precision_score, recall_score
from seqeval.scheme import IOB2

from stages.notes import tags
from stages.notes.note_table import Note, Span
from stages.scoring import counting, scores
from tests.scoring.examples import STREET, ZIP, bio, random_notes, scored


def test_a_note_without_pii_is_clean_and_its_scores_undefined():
    note = Note("n", "g", "Sin fiebre.")
    result = scores.all_scores(scored(gold=note))
    assert result["clean_notes"] == 1
    assert result["leaks_per_note"] == 0
    undefined = {"strict_f1", "strict_f1_macro", "token_recall", "merged_f1", "seen_recall", "unseen_recall"}
    assert {name for name in undefined if result[name] is not None} == set()


def test_a_false_alarm_in_a_note_without_pii_scores_0_as_in_seqeval():
    result = scores.all_scores(scored(Span(0, 3, "NAME"), gold=Note("n", "g", "Sin fiebre.")))
    assert (result["strict_precision"], result["strict_recall"], result["strict_f1"]) == (0, 0, 0)


def test_recall_on_seen_and_unseen_surfaces():
    seen = frozenset({counting.surface_key("CALLE  mayor\n5"), counting.surface_key("Madrid")})
    totals = scored(STREET, ZIP, seen=seen)
    assert (totals["seen"], totals["seen_hits"]) == (2, 1)
    assert scores.SCORES["seen_recall"](totals) == 1 / 2
    assert scores.SCORES["unseen_recall"](totals) == 1 / 3


@pytest.mark.parametrize("seed", range(5))
def test_strict_scores_are_those_of_seqeval(seed):
    pairs = random_notes(seed)
    gold, predicted = bio(pairs, 0), bio(pairs, 1)
    totals = counting.count(pairs).total()
    ours = scores.all_scores(totals)
    options = {"mode": "strict", "scheme": IOB2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = classification_report(gold, predicted, output_dict=True, zero_division=0, **options)
        assert ours["strict_f1"] == pytest.approx(f1_score(gold, predicted, **options), abs=1e-4)
        assert ours["strict_precision"] == pytest.approx(precision_score(gold, predicted, **options), abs=1e-4)
        assert ours["strict_recall"] == pytest.approx(recall_score(gold, predicted, **options), abs=1e-4)
    assert 0.5 < ours["strict_f1"] < 0.9
    assert ours["strict_f1_macro"] == pytest.approx(theirs["macro avg"]["f1-score"], abs=1e-4)
    labels = scores.by_label(totals)
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
        edges = tags.word_offsets(gold.text)
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
    ours = scores.all_scores(counting.count(pairs).total())
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


def test_token_f1_is_that_of_scikit_learn():
    from sklearn.metrics import f1_score as token_f1

    pairs = random_notes(7)
    flat = [[tag[2:] for note in bio(pairs, side) for tag in note] for side in (0, 1)]
    theirs = token_f1(*flat, labels=["A", "B", "C", "D"], average="micro")
    assert scores.all_scores(counting.count(pairs).total())["token_f1"] == pytest.approx(theirs, abs=1e-6)


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
    counts = counting.count(pairs)
    totals = counts.total()
    assert totals["gold"] == sum(len(gold.spans) for gold, _ in pairs)
    assert totals["predicted"] == sum(len(predicted.spans) for _, predicted in pairs)
    for row in [scores.error_counts(totals), *scores.by_label(totals).values()]:
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
    for name, value in scores.all_scores(totals).items():
        assert value is None or (0 <= value <= 1) or name in ("leaks_per_note", "leak_rate"), name
    perfect = scores.all_scores(counting.count([(gold, gold) for gold, _ in pairs]).total())
    assert {perfect[name] for name in perfect if name.endswith(("_f1", "_recall"))} <= {1.0, None}
    assert perfect["clean_notes"] == 1
