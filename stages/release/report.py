"""Write the report that people read, and the private page of every error. DVC stage release_report."""

import argparse
import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from stages.ner.compare import BLIND, COLOURS, COLUMNS, QUESTION, Compare, Sources, cells, count, operations
from stages.release import pages
from stages.release.deidentify import Kinds
from stages.shared import lineage, notes, params, scoring
from stages.shared.console import say
from stages.shared.errors import run
from stages.shared.gate import Finding
from stages.shared.grid import Grid
from stages.shared.notes import Note, Span
from stages.shared.outputs import building, read_json
from stages.shared.tracking import minutes

FILE = "index.html"
# Characters of context on either side of an error, and errors on a page.
_CONTEXT, _PLACES = 60, 5000
KINDS = ("right", "missed", "false alarm", "other label", "other borders")
_HEADINGS = {
    "scores": "Scores", "operation": "Recall-first", "leaks": "What stays visible", "labels": "Labels",
    "confusion": "Confusion", "calibration": "Calibration", "ablations": "Ablations", "gates": "Quality gates",
    "cost": "Cost", "settings": "Data and settings",
}  # fmt: skip


class Report(params.Section):
    """Section release.report."""

    texts: bool
    ablations: str | None


class Inputs(NamedTuple):
    """The folders that the report reads."""

    compare: Path
    sources: Sources
    synthesis: Path
    gates: Path
    ablations: Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="name of the corpus in params.yaml")
    parser.add_argument("--compare", required=True, type=Path, help="folder written by ner_compare")
    parser.add_argument("--train", required=True, type=Path, help="folder of the metrics of ner_train")
    parser.add_argument("--evaluate", required=True, type=Path, help="folder of the metrics of ner_evaluate")
    parser.add_argument(
        "--predictions", required=True, type=Path, help="folder of the tables with predicted spans"
    )
    parser.add_argument(
        "--split", required=True, type=Path, help="folder of the gold notes by corpus, fold, role"
    )
    parser.add_argument(
        "--synthesis", required=True, type=Path, help="folder of the metrics of the synthesis"
    )
    parser.add_argument("--gate", required=True, type=Path, help="metrics of the gate on the gold tags")
    parser.add_argument("--ablations", required=True, type=Path, help="folder of the ablations' results")
    parser.add_argument("--out", required=True, help="folder to write: the report, without note text")
    parser.add_argument("--errors", required=True, help="folder to write: the private page of every error")
    args = parser.parse_args()
    settings = params.load(Report, "release.report")
    kinds = params.load(Kinds, f"corpora.{args.corpus}.kinds").root
    compare = params.load(Compare, "ner.compare")
    grid = params.load(Grid, "grid")
    sources = Sources(args.train, args.evaluate, args.predictions, args.split)
    inputs = Inputs(args.compare, sources, args.synthesis, args.gate, args.ablations)
    with building(args.out) as out, building(args.errors) as errors:
        content = report(args.corpus, grid, compare, settings, kinds, inputs)
        write(out, pages.render("report", **content))
        browser, reads = error_page(args.corpus, grid, settings, sources)
        write(errors, pages.render("errors", **browser))
        lineage.write(out, [])
        lineage.write(errors, reads)
    say(f"{args.out}/{FILE}: the report; {args.errors}/{FILE}: every error, private")


def write(folder: Path, page: str) -> None:
    """The page as the folder's index."""
    folder.mkdir()
    (folder / FILE).write_text(page, encoding="utf-8")


def report(
    corpus: str, grid: Grid, compare: Compare, settings: Report, kinds: Mapping[str, str], inputs: Inputs
) -> dict[str, Any]:
    """What stands on the report: numbers, names and settings, no text of a note."""
    arms = _table(inputs.compare / "arms.csv")
    reference = next(row for row in arms if row["arm"] == compare.reference)
    counts, _ = count(inputs.sources, cells(grid, corpus))
    images = list(ablations(inputs.ablations / settings.ablations)) if settings.ablations else []
    contents = {anchor: heading for anchor, heading in _HEADINGS.items() if images or anchor != "ablations"}
    return {
        "title": f"deidsynth: {corpus}",
        "question": QUESTION.partition("?")[0] + "?",
        "answer": answer(arms, reference),
        "contents": contents.items(),
        "corpus": corpus,
        "reference": compare.reference,
        "columns": COLUMNS,
        "colours": COLOURS,
        "blind": f"Test notes {BLIND[compare.blind]}.",
        "arms": arms,
        "operation": list(operations(pl.read_csv(inputs.compare / "operation.csv"))),
        "leaks": list(leaks(counts, kinds, compare.bootstrap)),
        "labels": list(by_label(_table(inputs.compare / "labels.csv"))),
        "confusion": [matrix(_table(inputs.compare / "confusion.csv"), row["arm"]) for row in arms],
        "calibration": [calibration(inputs.sources.evaluate, corpus, row["arm"], grid) for row in arms],
        "ablations": images,
        "gates": list(gates(inputs, corpus)),
        "cost": list(cost(inputs, corpus, grid)),
        "fingerprints": list(fingerprints(inputs.sources.split / corpus)),
        "settings": Path("params.yaml").read_text(encoding="utf-8"),
    }


def answer(arms: Sequence[Mapping[str, Any]], reference: Mapping[str, Any]) -> str:
    """The finding in a paragraph."""
    row = next((row for row in arms if row["arm"] == "synthetic"), None)
    if row is None:
        return f"No model has learnt from invented notes alone. {reference['arm']}: {reference['strict_f1']:.3f} F1."

    def share(of: Mapping[str, Any]) -> str:
        low, high = of["blind_recall_low"], of["blind_recall_high"]
        return f"{of['blind_recall']:.1%} ({low:.1%} to {high:.1%})"

    word = "lower" if row["difference"] < 0 else "higher"
    certain = row["difference_low"] * row["difference_high"] > 0
    return (
        f"A model that has learnt from invented notes alone hides {share(row)} of the words of personal information "
        f"in {row['test_notes']} real notes it has never seen; one that has learnt from the real notes hides "
        f"{share(reference)}. Its strict span F1 is {row['strict_f1']:.3f}, {abs(row['difference']):.3f} {word} "
        f"({row['difference_low']:+.3f} to {row['difference_high']:+.3f}): a difference that chance "
        f"{'does not explain' if certain else 'may explain'}. {row['clean_notes']:.0%} of the notes keep nothing "
        f"visible; on average {row['leaks_per_note']:.2f} identifiers a note stay, at least in part "
        f"({reference['leaks_per_note']:.2f} after learning from real notes)."
    )


def leaks(
    counts: Mapping[tuple[str, str], Sequence[scoring.Counts]],
    kinds: Mapping[str, str],
    bootstrap: scoring.Bootstrap,
) -> Iterator[dict[str, Any]]:
    """Identifiers left visible, at least in part, per 1,000 notes, of each kind and of all: one row per kind.

    By arm the value and the upper end of its 95 % interval, which is never below what no leak in so many notes leaves
    possible (the rule of three).
    """
    rows: dict[str, dict[str, Any]] = {}
    for (_, arm), replicates in counts.items():
        total, drawn = scoring.total(replicates), scoring.resample(replicates, bootstrap)
        notes_ = len(replicates[0].note_ids)
        for kind_ in ("all", *sorted({kinds[label] for label in total.labels})):
            chosen = [row for row, label in enumerate(total.labels) if kind_ in ("all", kinds[label])]
            values = [
                1000 * (of.of_labels("gold") - of.of_labels("hidden"))[..., chosen].sum(axis=-1) / of["notes"]
                for of in (total, drawn)
            ]
            _, high = scoring.interval(scoring.over_replicates(values[1], bootstrap))
            gold = int(total.of_labels("gold")[0, chosen].sum())
            row = rows.setdefault(kind_, {"kind": kind_, "gold": gold, "arms": {}})
            row["arms"][arm] = {"left": float(values[0].mean()), "upper": max(high, 3000 / notes_)}
    yield from sorted(rows.values(), key=lambda row: -row["gold"])


def by_label(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One row per label, with strict F1 of every arm; the most frequent label first."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry = found.setdefault(row["label"], {"label": row["label"], "gold": row["gold"], "arms": {}})
        entry["arms"][row["arm"]] = row["strict_f1"]
    yield from sorted(found.values(), key=lambda entry: -entry["gold"])


def matrix(rows: Sequence[Mapping[str, Any]], arm: str) -> dict[str, Any]:
    """An arm's words by gold label, as shares of the row; O comes last and as a column only."""
    own = [row for row in rows if row["arm"] == arm]
    labels = sorted({row["gold"] for row in own} | {row["predicted"] for row in own} - {scoring.OUTSIDE})
    labels = [label for label in labels if label != scoring.OUTSIDE]
    words = {(row["gold"], row["predicted"]): row["words"] for row in own}
    across = [*labels, scoring.OUTSIDE]
    sums = {gold: sum(words.get((gold, label), 0) for label in across) for gold in labels}
    return {
        "arm": arm,
        "labels": across,
        "rows": [
            (gold, [words.get((gold, label), 0) / sums[gold] for label in across])
            for gold in labels
            if sums[gold]
        ],
    }


def calibration(evaluate: Path, corpus: str, arm: str, grid: Grid) -> dict[str, Any]:
    """An arm's bins over all folds and seeds, by the lower tenth of their score, and the mean expected error."""
    bins: dict[int, dict[str, float]] = {}
    errors = []
    for fold in grid.folds:
        for seed in grid.seeds:
            found = read_json(evaluate / arm / corpus / str(fold) / f"{seed}.json")["calibration"]
            errors += [found["error"]] if found["error"] is not None else []
            for row in found["bins"]:
                into = bins.setdefault(round(10 * row["from"]), {"spans": 0, "hits": 0.0})
                into["spans"] += row["spans"]
                into["hits"] += row["spans"] * row["right"]
    rows = {
        place: {"spans": row["spans"], "right": row["hits"] / row["spans"]} for place, row in bins.items()
    }
    return {"arm": arm, "bins": rows, "error": sum(errors) / len(errors) if errors else None}


def ablations(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and picture, as a data address, of every ablation of a profile."""
    for file in sorted(folder.glob("*/curve.svg")):
        yield file.parent.name, "data:image/svg+xml;base64," + base64.b64encode(file.read_bytes()).decode()


def gates(inputs: Inputs, corpus: str) -> Iterator[dict[str, Any]]:
    """The verdict of every gate that stood before these models, and what was not met."""
    checks = sorted((inputs.synthesis / "check" / corpus).rglob("*.json"))
    for file in (inputs.gates, *checks):
        content = read_json(file)
        failed = [Finding(**found) for found in content["findings"] if not found["success"]]
        cell = "" if file == inputs.gates else f", fold {file.parent.name} seed {file.stem}"
        yield {
            "name": f"{'gold tags' if file == inputs.gates else 'invented notes'}{cell}",
            "passed": content["passed"],
            "expectations": content["expectations"],
            "failed": [f"{finding.severity}: {finding.sentence()}" for finding in failed],
        }


def cost(inputs: Inputs, corpus: str, grid: Grid) -> Iterator[dict[str, Any]]:
    """Work in tokens and steps, from the metrics, and minutes, where MLflow knows them."""
    for fold in grid.folds:
        for seed in grid.seeds:
            cell = f"{corpus}/{fold}/{seed}.json"
            tags = {"corpus": corpus, "fold": str(fold), "seed": str(seed)}
            where = f", fold {fold} seed {seed}" if len(grid.folds) * len(grid.seeds) > 1 else ""
            adapted = read_json(inputs.synthesis / "adapt" / cell)
            sampled = read_json(inputs.synthesis / "generate" / cell)
            yield {
                "step": f"adapting the generator{where}",
                "work": f"{adapted['steps']:,} steps over {adapted['tokens']:,} tokens",
                "minutes": minutes("synthesis/adapt", tags),
            }
            yield {
                "step": f"sampling{where}",
                "work": f"{sampled['sampled_tokens']:,} tokens, {sampled['kept']} of {sampled['sampled']} texts kept",
                "minutes": minutes("synthesis/generate", tags),
            }
    for cell in cells(grid, corpus):
        trained = read_json(inputs.sources.metrics(cell)[0])
        tags = {name: str(value) for name, value in cell._asdict().items()}
        yield {
            "step": f"training {cell.name.removeprefix(corpus).strip()}",
            "work": f"{trained['steps']:,} steps, {trained['words']:,} words",
            "minutes": minutes("ner/train", tags),
        }


def fingerprints(split: Path) -> Iterator[tuple[str, str]]:
    """SHA-256 of every role's note table, shortened."""
    for table in sorted(split.rglob(notes.FILE)):
        with table.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        yield table.parent.relative_to(split).as_posix(), digest[:16]


def error_page(
    corpus: str, grid: Grid, settings: Report, sources: Sources
) -> tuple[dict[str, Any], set[lineage.Read]]:
    """What stands on the error browser, of the first fold and seed, and whose notes it reads."""
    fold, seed = grid.folds[0], grid.seeds[0]
    own = [cell for cell in cells(grid, corpus) if (cell.fold, cell.seed) == (fold, seed)]
    tables = [sources.tables(cell) for cell in own]
    found: list[dict[str, Any]] = []
    total = 0
    predicted = (notes.read(prediction) for prediction, _, _ in tables)
    for gold, *versions in zip(notes.read(tables[0][1]), *predicted, strict=True):
        for place in places(gold, versions, settings.texts):
            total += 1
            if len(found) < _PLACES:
                found.append(place)
    content = {
        "title": f"deidsynth errors: {corpus}",
        "corpus": corpus,
        "fold": fold,
        "seed": seed,
        "texts": settings.texts,
        "arms": [cell.arm for cell in own],
        "kinds": KINDS,
        "labels": sorted({label for place in found for label in place["labels"]}),
        "places": found,
        "total": total,
    }
    return content, set().union(*(lineage.read(folder) for table in tables for folder in table[:2]))


def places(gold: Note, versions: Sequence[Note], texts: bool) -> Iterator[dict[str, Any]]:
    """The places of a note where a version is wrong: overlapping spans of all sides together are one place."""
    sides = [gold.spans, *(version.spans for version in versions)]
    clusters: list[list[tuple[int, Span]]] = []
    end = 0
    for span, side in sorted(((span, side) for side, spans in enumerate(sides) for span in spans), key=_at):
        if span.start >= end or not clusters:
            clusters.append([])
        clusters[-1].append((side, span))
        end = max(end, span.end)
    for cluster in clusters:
        by_side = [[span for side, span in cluster if side == number] for number in range(len(sides))]
        kinds = [kind(by_side[0], spans) for spans in by_side[1:]]
        if set(kinds) == {"right"}:
            continue
        start, end = min(span.start for _, span in cluster), max(span.end for _, span in cluster)
        yield {
            "note": gold.note_id,
            "gold": _labels(by_side[0]),
            "labels": sorted({span.label for _, span in cluster}),
            "arms": [
                {"kind": own, "labels": "" if own == "right" else _labels(spans), "score": _score(spans)}
                for own, spans in zip(kinds, by_side[1:], strict=True)
            ],
            "before": gold.text[max(0, start - _CONTEXT) : start] if texts else "",
            "inside": gold.text[start:end] if texts else f"{end - start} characters",
            "after": gold.text[end : end + _CONTEXT] if texts else "",
        }


def kind(gold: Sequence[Span], predicted: Sequence[Span]) -> str:
    """One of KINDS, for the spans of one place."""
    if not gold:
        return "false alarm" if predicted else "right"
    if not predicted:
        return "missed"
    edges = [[(span.start, span.end) for span in spans] for spans in (gold, predicted)]
    labels = [[span.label for span in spans] for spans in (gold, predicted)]
    if edges[0] != edges[1]:
        return "other borders"
    return "right" if labels[0] == labels[1] else "other label"


def _at(entry: tuple[Span, int]) -> tuple[int, int, int]:
    return entry[0].start, entry[0].end, entry[1]


def _labels(spans: Iterable[Span]) -> str:
    return ", ".join(span.label for span in spans)


def _score(spans: Iterable[Span]) -> float | None:
    return min((span.score for span in spans if span.score is not None), default=None)


def _table(file: Path) -> list[dict[str, Any]]:
    return list(pl.read_csv(file, infer_schema_length=None).iter_rows(named=True))


if __name__ == "__main__":
    run(main)
