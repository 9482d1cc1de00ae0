"""Score a model on real test notes that nothing before it has read. DVC stage `ner_evaluate`."""

import argparse
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal

from stages.ner import operation
from stages.ner.model import Tagger
from stages.shared import lineage, notes, params, scoring
from stages.shared.console import progress, say
from stages.shared.errors import run
from stages.shared.notes import Note
from stages.shared.outputs import building, write_json
from stages.shared.tracking import track


class Evaluate(params.Section):
    """Section ner.evaluate."""

    precision: Literal["fp32", "bf16"]
    bootstrap: scoring.Bootstrap
    recall_first: operation.RecallFirst


def report(
    counts: scoring.Counts, training_groups: Collection[str], bootstrap: scoring.Bootstrap
) -> dict[str, Any]:
    """What the metrics file holds: scores, per label, counts, interval, and scores without groups in training."""
    totals = counts.total()
    new = counts.without_groups(training_groups)
    strict = scoring.estimate(scoring.strict_f1, [counts], bootstrap)
    return {
        "scores": scoring.scores(totals),
        "strict_f1_interval": [scoring.rounded(strict.low), scoring.rounded(strict.high)],
        "labels": scoring.by_label(totals),
        "counts": scoring.counts(totals) | {"groups": len(set(counts.group_ids))},
        "new_groups": {"notes": len(new.note_ids), "scores": scoring.scores(new.total())},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder of a model written by ner_train")
    parser.add_argument("--test", required=True, help="note table of gold test notes")
    parser.add_argument("--select", required=True, help="note table that recall-first biases are chosen on")
    parser.add_argument(
        "--train", required=True, help="note table of gold training notes: which surfaces and groups are new"
    )
    parser.add_argument(
        "--out", required=True, help="note table to write: the test notes with predicted spans"
    )
    parser.add_argument("--metrics", required=True, help="JSON file to write: scores and counts")
    args = parser.parse_args()
    settings = params.load(Evaluate, "ner.evaluate")
    total = notes.count(args.test)
    seen = scoring.surfaces(notes.read(args.train))
    training_groups = frozenset(note.group_id for note in notes.read(args.train))
    arm, corpus, fold, seed = Path(args.out).parts[-4:]
    tags = {"arm": arm, "corpus": corpus, "fold": fold, "seed": seed}

    tagger = Tagger.load(args.model, settings.precision)
    name = f"{corpus} {arm} fold {fold} seed {seed}"
    with track("ner/evaluate", name, settings, tags, [args.model, args.test]) as run_:
        first = settings.recall_first
        every = [operation.uniform(tagger.labels, bias) for bias in (0.0, *first.biases)]
        watched: list[scoring.Counts] = []
        list(operation.sweep(tagger, notes.read(args.select), every, watched))
        chosen = operation.choose(tagger.labels, (0.0, *first.biases), watched, first)
        swept: list[scoring.Counts] = []
        with building(args.out) as out:
            gold = progress(notes.read(args.test), total=total, label="tagging")
            notes.write(out, operation.sweep(tagger, gold, [*every, chosen], swept))
            model = lineage.through(lineage.read(args.model), "tags")
            lineage.write(out, lineage.read(args.test) | model)

        def pairs() -> Iterator[tuple[Note, Note]]:
            return zip(notes.read(args.test), notes.read(args.out), strict=True)

        found = report(scoring.count(pairs(), seen), training_groups, settings.bootstrap)
        found["calibration"] = operation.calibration(pairs())
        found["recall_first"] = {
            "biases": chosen,
            "scores": operation.point(None, swept[-1]),
            "curve": [
                operation.point(bias, counts)
                for bias, counts in zip((0.0, *first.biases), swept[:-1], strict=True)
            ],
        }
        write_json(args.metrics, found)
        labels = {
            label: {name: row[name] for name in ("f1", "precision", "recall", "blind_recall")}
            for label, row in found["labels"].items()
        }
        run_.metrics(
            {
                **found["scores"],
                "label": labels,
                "count": found["counts"],
                "new_groups": found["new_groups"]["scores"],
                "calibration_error": found["calibration"]["error"],
                "recall first": {name: found["recall_first"]["scores"][name] for name in operation.CURVE},
            }
        )
    scores, (low, high) = found["scores"], found["strict_f1_interval"]
    say(f"strict F1 {show(scores['strict_f1'])} ({show(low)} to {show(high)}) on {total} test notes")


def show(score: float | None) -> str:
    """A score with three digits."""
    return "undefined" if score is None else f"{score:.3f}"


if __name__ == "__main__":
    run(main)
