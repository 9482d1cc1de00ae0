"""Our strict scores against seqeval's and nervaluate's on the same predictions, and the cost of intervals."""

import argparse
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, markdown, report
from stages.ner.cells import Cell
from stages.ner.comparison import Compare, arm_rows
from stages.notes import note_table, tags
from stages.notes.note_table import Note
from stages.runtime.errors import UserError, run
from stages.scoring import counting, scores
from stages.scoring.intervals import Bootstrap

PARTS = ("precision", "recall", "f1")
# Two scores that differ by less are equal to four decimals.
EQUAL = 5e-5


def by_character(notes: Sequence[Note]) -> list[list[str]]:
    """One tag per character, which is exact for spans that begin or end inside a word; one tag per word is not."""
    return [tags.encode(note.spans, [(at, at + 1) for at in range(len(note.text))]) for note in notes]


def strict_scores(gold: Sequence[Note], predicted: Sequence[Note]) -> dict[str, dict[str, float]]:
    """Strict precision, recall and F1 as computed by us, by seqeval (strict mode, IOB2) and by nervaluate."""
    from nervaluate import Evaluator
    from seqeval.metrics import f1_score, precision_score, recall_score
    from seqeval.scheme import IOB2

    found = scores.all_scores(counting.count(zip(gold, predicted, strict=True)).total())
    sides = by_character(gold), by_character(predicted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about labels that one side lacks
        seqeval = [
            float(score(*sides, mode="strict", scheme=IOB2)) for score in (precision_score, recall_score, f1_score)
        ]
        labels = sorted({span.label for note in (*gold, *predicted) for span in note.spans})
        strict = Evaluator(*sides, tags=labels, loader="list").evaluate()["overall"]["strict"]
    return {
        "ours": {part: found[f"strict_{part}"] or 0.0 for part in PARTS},
        "seqeval": dict(zip(PARTS, seqeval, strict=True)),
        "nervaluate": {part: float(getattr(strict, part)) for part in PARTS},
    }


def measure(gold: Sequence[Note], arms: Mapping[str, Sequence[Note]], samples: int) -> dict[str, Any]:
    """Return the scores of every arm from all three libraries, and the seconds of our counting and of the table.

    The table is that of ner_compare. Raises UserError if a library's score differs from ours in the fourth decimal.
    """
    found = {}
    for arm, predicted in arms.items():
        found[arm] = strict_scores(gold, predicted)
        for library in ("seqeval", "nervaluate"):
            for part in PARTS:
                ours, theirs = found[arm]["ours"][part], found[arm][library][part]
                if abs(ours - theirs) >= EQUAL:
                    raise UserError(f"{arm}: strict {part} {ours:.6f} by us, {theirs:.6f} by {library}")
    start = time.perf_counter()
    counts = {arm: [counting.count(zip(gold, predicted, strict=True))] for arm, predicted in arms.items()}
    counted = time.perf_counter()
    # The table also has the training budgets, which do not matter here.
    trained = {Cell("", arm, 0, 1): dict.fromkeys(("notes", "words", "steps"), 0) for arm in arms}
    settings = Compare(reference=next(iter(arms)), blind=False, bootstrap=Bootstrap(samples=samples, seed=1))
    arm_rows("", counts, trained, settings)
    return {
        "scores": found,
        "seconds": {"counting": round(counted - start, 3), "intervals": round(time.perf_counter() - counted, 3)},
        "settings": {"notes": len(gold), "samples": samples},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gold", required=True, help="note table of gold test notes")
    parser.add_argument(
        "--predictions", required=True, nargs="+", help="note tables with the predictions of an arm each"
    )
    parser.add_argument("--samples", type=int, default=1000, help="bootstrap samples of note groups")
    parser.add_argument("--name", default="scoring", help="name of the record")
    parser.add_argument("--out", default=RESULTS, help="folder of the record")
    args = parser.parse_args()
    # data/predictions/<arm>/<corpus>/<fold>/<seed>
    arms = {Path(table).parts[-4]: list(note_table.read(table)) for table in args.predictions}
    found = measure(list(note_table.read(args.gold)), arms, args.samples)
    rows = [
        [arm, library, *(f"{strict[part]:.6f}" for part in PARTS)]
        for arm, libraries in found["scores"].items()
        for library, strict in libraries.items()
    ]
    table = markdown(["arm", "scored by", *PARTS], rows)
    seconds = ", ".join(f"{name} {value:.2f} s" for name, value in found["seconds"].items())
    report(args.name, f"{table}\n\n{len(arms)} arms, {args.samples:,} bootstrap samples: {seconds}", found, args.out)


if __name__ == "__main__":
    run(main)
