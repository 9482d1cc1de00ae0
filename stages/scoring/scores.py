"""Precision, recall, F1 and leak rates as functions of counts.

A score keeps the leading axes of its `Totals` (bootstrap samples, replicates), so that 1,000 bootstrap samples are
one matrix product. As in seqeval, a score is 0 where only its own denominator is 0. It is undefined (nan) where there
are neither gold nor predicted spans.

Sources: strict scores as in seqeval (Nakayama 2018, `mode="strict"`, IOB2), boundary, partial and type scores as in
SemEval 2013 task 9 (Segura-Bedmar et al. 2013), merged scores and leak rate as in MEDDOCAN (Marimon et al. 2019).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from stages.scoring.counting import MEASURES, NOTE_MEASURES, Score, Totals


def precision(hits: ArrayLike, predicted: ArrayLike, gold: ArrayLike) -> np.ndarray:
    """Share of the predictions that are right."""
    return _ratio(hits, np.where(np.equal(predicted, 0) & np.greater(gold, 0), 1, predicted))


def recall(hits: ArrayLike, predicted: ArrayLike, gold: ArrayLike) -> np.ndarray:
    """Share of the gold spans, or words, that are found."""
    return precision(hits, gold, predicted)


def f1(hits: ArrayLike, predicted: ArrayLike, gold: ArrayLike) -> np.ndarray:
    """Harmonic mean of precision and recall."""
    return _ratio(np.multiply(2, hits), np.add(predicted, gold))


def strict_f1(totals: Totals) -> np.ndarray:
    """Micro F1 over labels of spans with the same offsets and label, as in seqeval's strict mode."""
    return f1(totals["hits"], totals["predicted"], totals["gold"])


def label_f1(totals: Totals) -> np.ndarray:
    """Strict F1 of every label, (..., labels)."""
    return f1(*map(totals.of_labels, ("hits", "predicted", "gold")))


def _ratio(part: ArrayLike, whole: ArrayLike) -> np.ndarray:
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)


def harmonic(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """F1 of a precision and a recall whose hits are counted differently; 0 where both are 0."""
    total = precision + recall
    return np.where(total == 0, 0.0, _ratio(2 * precision * recall, total))


def partial_precision(totals: Totals) -> np.ndarray:
    """Precision with half credit for predictions that only overlap a gold span, whatever their label."""
    return precision((totals["located"] + totals["touching"]) / 2, totals["predicted"], totals["gold"])


def partial_recall(totals: Totals) -> np.ndarray:
    """Recall with half credit for gold spans that a prediction only overlaps, whatever its label."""
    return recall((totals["located"] + totals["touched"]) / 2, totals["predicted"], totals["gold"])


def _macro(totals: Totals) -> np.ndarray:
    by_label = label_f1(totals)
    defined = ~np.isnan(by_label)
    return _ratio(np.where(defined, by_label, 0).sum(axis=-1), defined.sum(axis=-1))


def _micro(score: Callable[..., np.ndarray], hits: str, predicted: str, gold: str) -> Score:
    return lambda totals: score(totals[hits], totals[predicted], totals[gold])


def _merged(totals: Totals) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    hits = totals["merged_hits"]
    return hits, hits + totals["merged_extra"], hits + totals["merged_missed"]


# Every score by its name in metrics, tables and MLflow. docs/metrics.md explains each.
SCORES: dict[str, Score] = {
    "strict_f1": strict_f1,
    "strict_precision": _micro(precision, "hits", "predicted", "gold"),
    "strict_recall": _micro(recall, "hits", "predicted", "gold"),
    "strict_f1_macro": _macro,
    "boundary_f1": _micro(f1, "located", "predicted", "gold"),
    "boundary_precision": _micro(precision, "located", "predicted", "gold"),
    "boundary_recall": _micro(recall, "located", "predicted", "gold"),
    "partial_f1": lambda totals: harmonic(partial_precision(totals), partial_recall(totals)),
    "partial_precision": partial_precision,
    "partial_recall": partial_recall,
    "type_f1": lambda totals: harmonic(SCORES["type_precision"](totals), SCORES["type_recall"](totals)),
    "type_precision": _micro(precision, "typing", "predicted", "gold"),
    "type_recall": _micro(recall, "typed", "predicted", "gold"),
    "merged_f1": lambda totals: f1(*_merged(totals)),
    "merged_precision": lambda totals: precision(*_merged(totals)),
    "merged_recall": lambda totals: recall(*_merged(totals)),
    "token_f1": _micro(f1, "hit_words", "predicted_words", "gold_words"),
    "token_precision": _micro(precision, "hit_words", "predicted_words", "gold_words"),
    "token_recall": _micro(recall, "hit_words", "predicted_words", "gold_words"),
    "blind_recall": _micro(recall, "hidden_words", "predicted_words", "gold_words"),
    "blind_precision": _micro(precision, "hidden_words", "predicted_words", "gold_words"),
    "blind_recall_characters": lambda totals: _ratio(totals["hidden_characters"], totals["gold_characters"]),
    "seen_recall": lambda totals: _ratio(totals["seen_hits"], totals["seen"]),
    "unseen_recall": lambda totals: _ratio(totals["hits"] - totals["seen_hits"], totals["gold"] - totals["seen"]),
    "clean_notes": lambda totals: _ratio(totals["clean"], totals["notes"]),
    "leaks_per_note": lambda totals: _ratio(totals["gold"] - totals["hidden"], totals["notes"]),
    "leak_rate": lambda totals: _ratio(totals["gold"] - totals["hits"], totals["sentences"]),
}


def all_scores(totals: Totals) -> dict[str, float | None]:
    """Return every score of totals without leading axes, rounded for a metrics file; None where undefined."""
    return {name: rounded(score(totals)) for name, score in SCORES.items()}


def by_label(totals: Totals) -> dict[str, dict[str, float | int | None]]:
    """Return strict scores, label-blind recall and counts of every label."""
    result: dict[str, dict[str, float | int | None]] = {}
    for own in map(totals.only, totals.labels):
        result[own.labels[0]] = {
            **{part: rounded(SCORES[f"strict_{part}"](own)) for part in ("f1", "precision", "recall")},
            "blind_recall": rounded(_ratio(own["hidden_words"], own["gold_words"])),
            "leaks": int(own["gold"] - own["hidden"]),
            **_errors(own),
        }
    return result


def error_counts(totals: Totals) -> dict[str, int]:
    """Return the counts that the scores are computed from."""
    rest = {name: int(totals[name]) for name in (*MEASURES, *NOTE_MEASURES) if name != "hits"}
    return rest | _errors(totals)


def _errors(totals: Totals) -> dict[str, int]:
    hits, predicted, gold = (int(totals[measure]) for measure in ("hits", "predicted", "gold"))
    errors = {"true_positives": hits, "false_positives": predicted - hits, "false_negatives": gold - hits}
    return {"gold": gold, "predicted": predicted} | errors


def rounded(value: float | np.ndarray) -> float | None:
    """Return a value as metrics files hold it: rounded to six digits, None for nan."""
    return None if np.isnan(value) else round(float(value), 6)


def shown(score: float | None, undefined: str = "undefined") -> str:
    """Return a score with three digits, or `undefined` for None and nan."""
    return undefined if score is None or np.isnan(score) else f"{score:.3f}"
