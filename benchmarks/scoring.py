"""Our strict scores beside seqeval's and nervaluate's on the same predictions, and what intervals cost."""

import argparse
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, markdown, report
from stages.ner.compare import Cell, Compare, arm_rows
from stages.shared import notes, scoring, tags
from stages.shared.errors import UserError, run
from stages.shared.notes import Note
from stages.shared.scoring import Bootstrap

PARTS = ("precision", "recall", "f1")
# Two scores that differ by less are equal to four decimals.
EQUAL = 5e-5


def by_character(side: Sequence[Note]) -> list[list[str]]:
    """A tag per character: exact for spans that begin or end inside a word, where tags per word are not."""
    return [tags.encode(note.spans, [(at, at + 1) for at in range(len(note.text))]) for note in side]


def strict_scores(gold: Sequence[Note], predicted: Sequence[Note]) -> dict[str, dict[str, float]]:
    """Strict precision, recall and F1 by us, by seqeval (strict mode, IOB2) and by nervaluate."""
    from nervaluate import Evaluator
    from seqeval.metrics import f1_score, precision_score, recall_score
    from seqeval.scheme import IOB2

    found = scoring.scores(scoring.count(zip(gold, predicted, strict=True)).total())
    sides = by_character(gold), by_character(predicted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of labels that one side lacks
        seqeval = [
            float(score(*sides, mode="strict", scheme=IOB2))
            for score in (precision_score, recall_score, f1_score)
        ]
        labels = sorted({span.label for note in (*gold, *predicted) for span in note.spans})
        strict = Evaluator(*sides, tags=labels, loader="list").evaluate()["overall"]["strict"]
    return {
        "ours": {part: found[f"strict_{part}"] or 0.0 for part in PARTS},
        "seqeval": dict(zip(PARTS, seqeval, strict=True)),
        "nervaluate": {part: float(getattr(strict, part)) for part in PARTS},
    }


def measure(gold: Sequence[Note], arms: Mapping[str, Sequence[Note]], samples: int) -> dict[str, Any]:
    """Scores of every arm three ways, and seconds of counting and of ner_compare's table for all arms together.

    UserError where two ways differ in the fourth decimal.
    """
    scores = {}
    for arm, predicted in arms.items():
        scores[arm] = strict_scores(gold, predicted)
        for way in ("seqeval", "nervaluate"):
            for part in PARTS:
                ours, theirs = scores[arm]["ours"][part], scores[arm][way][part]
                if abs(ours - theirs) >= EQUAL:
                    raise UserError(f"{arm}: strict {part} {ours:.6f} by us, {theirs:.6f} by {way}")
    start = time.perf_counter()
    counts = {
        ("", arm): [scoring.count(zip(gold, predicted, strict=True))] for arm, predicted in arms.items()
    }
    counted = time.perf_counter()
    # What was learnt from is in the table too, and no matter here.
    trained = {Cell("", arm, 0, 1): dict.fromkeys(("notes", "words", "steps"), 0) for arm in arms}
    bootstrap = Bootstrap(samples=samples, seed=1)
    arm_rows(counts, trained, Compare(reference=next(iter(arms)), blind=False, bootstrap=bootstrap))
    return {
        "scores": scores,
        "seconds": {
            "counting": round(counted - start, 3),
            "intervals": round(time.perf_counter() - counted, 3),
        },
        "settings": {"notes": len(gold), "samples": samples},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gold", required=True, help="note table of gold test notes")
    parser.add_argument(
        "--predictions", required=True, nargs="+", help="note tables of their predictions, an arm's each"
    )
    parser.add_argument("--samples", type=int, default=1000, help="draws of note groups")
    parser.add_argument("--name", default="scoring", help="name of the record, where there are several")
    parser.add_argument("--out", default=RESULTS, help="folder for the numbers")
    args = parser.parse_args()
    # data/predictions/<arm>/<corpus>/<fold>/<seed>
    arms = {Path(table).parts[-4]: list(notes.read(table)) for table in args.predictions}
    found = measure(list(notes.read(args.gold)), arms, args.samples)
    rows = [
        [arm, way, *(f"{scores[part]:.6f}" for part in PARTS)]
        for arm, ways in found["scores"].items()
        for way, scores in ways.items()
    ]
    table = markdown(["arm", "scored by", *PARTS], rows)
    seconds = ", ".join(f"{name} {value:.2f} s" for name, value in found["seconds"].items())
    report(args.name, f"{table}\n\n{len(arms)} arms, {args.samples:,} draws: {seconds}", found, args.out)


if __name__ == "__main__":
    run(main)
