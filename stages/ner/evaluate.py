"""Score a model on real test notes that it was neither trained nor tuned on (DVC stage `ner_evaluate`)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from stages.ner import recall_first
from stages.ner.cells import HELD_BACK
from stages.ner.recall_first import RecallFirst
from stages.ner.tagger import Tagger
from stages.notes import note_table
from stages.notes.note_table import Note, NoteTable
from stages.runtime import lineage
from stages.runtime.console import progress
from stages.runtime.outputs import write_json
from stages.runtime.params import Section
from stages.runtime.stage import InFolder, OutFile, OutFolder, Run, stage
from stages.scoring import counting, intervals, scores
from stages.scoring.cross_check import seqeval_report


class Evaluate(Section):
    """How models are scored, the same for every arm."""

    at: ClassVar[str] = "ner.evaluate"

    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of inference: fp32, or bf16 autocast on hardware that has it."""
    bootstrap: intervals.Bootstrap = intervals.Bootstrap()
    """Bootstrap behind the confidence interval of strict F1."""
    recall_first: RecallFirst
    """The operating point for uses in which a leak costs more than an over-redacted word."""


@stage("ner.evaluate")
def evaluate(
    corpus: str,
    arm: str,
    fold: int,
    seed: int,
    model: InFolder,
    test: NoteTable,
    select: NoteTable,
    train: NoteTable,
    annotator: NoteTable,
    learned: NoteTable,
    out: OutFolder,
    metrics: OutFile,
    settings: Evaluate,
    run: Run,
) -> str:
    """Score a model on real test notes that it was neither trained nor tuned on.

    model: a model that ner_train wrote.
    test: gold test notes.
    select: real notes on which the biases of the recall-first operating point are chosen.
    train: the full training part, which tells known from new groups.
    annotator: the annotator's training notes, which tell seen from unseen surfaces.
    learned: the notes of the arm. The biases are also chosen on invented notes that were held back from these.
    out: the test notes with predicted spans.
    metrics: scores, counts, calibration and operating points.
    """
    tagger = Tagger.load(model, settings.precision)
    biases = (0.0, *settings.recall_first.biases)
    uniform = [dict.fromkeys(tagger.labels, bias) for bias in biases]
    tuned_on = {"select": select} | ({"invented": learned / HELD_BACK} if (learned / HELD_BACK).is_dir() else {})
    chosen = {}
    for name, folder in tuned_on.items():
        swept: list[counting.Counts] = []
        for _ in recall_first.sweep(tagger, note_table.read(folder), uniform, swept):
            pass
        chosen[name] = recall_first.choose(tagger.labels, biases, swept, settings.recall_first)

    gold = progress(note_table.read(test), total=note_table.count(test), label="tagging")
    on_test: list[counting.Counts] = []
    note_table.write(out, recall_first.sweep(tagger, gold, [*uniform, *chosen.values()], on_test))
    lineage.write(out, lineage.read(test) | lineage.through(lineage.read(model), "tags"))

    result = report(test, out, train, annotator, settings.bootstrap)
    result["recall_first"] = {
        "curve": [recall_first.point(bias, counts) for bias, counts in zip(biases, on_test, strict=False)],
        **{
            name: {"biases": found, "scores": recall_first.point(None, counts)}
            for (name, found), counts in zip(chosen.items(), on_test[len(biases) :], strict=True)
        },
    }
    write_json(metrics, result)
    parts = ("f1", "precision", "recall", "blind_recall")
    logged = {
        **result["scores"],
        "label": {label: {name: row[name] for name in parts} for label, row in result["labels"].items()},
        "count": result["counts"],
        "new_groups": result["new_groups"]["scores"],
        "calibration_error": result["calibration"]["error"],
        "recall first": {name: result["recall_first"]["select"]["scores"][name] for name in recall_first.CURVE},
    }
    run.log(logged)
    strict, interval = result["scores"]["strict_f1"], map(scores.shown, result["strict_f1_interval"])
    return f"strict F1 {scores.shown(strict)} ({' to '.join(interval)}) on {note_table.count(test)} test notes"


def report(
    test: Path, predictions: Path, train: Path, annotator: Path, bootstrap: intervals.Bootstrap
) -> dict[str, Any]:
    """Return the content of the metrics file, except `recall_first`.

    `new_groups` has the scores on the test notes of groups that are not in the training part.
    """

    def pairs() -> Iterator[tuple[Note, Note]]:
        return zip(note_table.read(test), note_table.read(predictions), strict=True)

    seen = counting.surfaces(note_table.read(annotator))
    known = {note.group_id for note in note_table.read(train)}
    counts = counting.count(pairs(), seen)
    new = counts.where([group not in known for group in counts.group_ids])
    totals = counts.total()
    strict = intervals.estimate(scores.strict_f1, [counts], bootstrap)
    return {
        "scores": scores.all_scores(totals),
        "strict_f1_interval": [scores.rounded(strict.low), scores.rounded(strict.high)],
        "labels": scores.by_label(totals),
        "counts": scores.error_counts(totals) | {"groups": len(set(counts.group_ids))},
        "new_groups": {"notes": len(new.note_ids), "scores": scores.all_scores(new.total())},
        "seqeval": seqeval_report(pairs(), totals),
        "calibration": calibration(pairs()),
    }


def calibration(pairs: Iterable[tuple[Note, Note]]) -> dict[str, Any]:
    """Return the reliability diagram of the predicted spans of (gold, predicted) notes, and their calibration error.

    `bins` has for every tenth of the scores, if there are spans, its lower edge `from`, the number of `spans`, their
    mean `score`, and the share that is `right` (offsets and label). `error` is the expected calibration error (Naeini
    et al. 2015): the distance between mean score and share of right spans, averaged over spans; None without a span.
    """
    found = [
        (span.score, replace(span, score=None) in gold.spans) for gold, predicted in pairs for span in predicted.spans
    ]
    values, hits = np.array(found, dtype=float).reshape(-1, 2).T
    tenths = np.minimum((values * 10).astype(int), 9)
    bins = []
    for tenth in np.unique(tenths).tolist():
        inside = tenths == tenth
        score, right = (round(float(column[inside].mean()), 6) for column in (values, hits))
        bins.append({"from": tenth / 10, "spans": int(inside.sum()), "score": score, "right": right})
    error = sum(row["spans"] * abs(row["score"] - row["right"]) for row in bins) / len(values) if bins else np.nan
    return {"error": scores.rounded(error), "bins": bins}


if __name__ == "__main__":
    evaluate.main()
