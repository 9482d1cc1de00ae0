"""Put what leaves the building into one folder, or say why it must stay. DVC stage release_package.

The model for the stock `pipeline("token-classification")`, the invented corpus in three formats, cards for both,
licences and the report. Refuses, with all reasons at once, what METHOD.md (sections 1 and 3) forbids: weights or a
vocabulary that have read real notes, a gate that let failures through, blank or conflicting licences, and a model
whose scores depend on our decoder.
"""

import argparse
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, RootModel

from stages.corpora.export import FORMATS
from stages.ner.model import SETTINGS, Tagger
from stages.release import cards, licences
from stages.shared import lineage, notes, params, scoring
from stages.shared.console import progress, say
from stages.shared.errors import UserError, run
from stages.shared.gate import PASSED
from stages.shared.notes import Note, Span
from stages.shared.outputs import building, write_json


class Package(params.Section):
    """Section release.package."""

    real_weights: bool
    difference: float = Field(ge=0)
    licences: licences.Outputs


class Sources(RootModel[licences.Sources]):
    """Section corpora.<corpus>.licences."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", required=True, help="name of the corpus in params.yaml")
    parser.add_argument("--model", required=True, type=Path, help="folder of a model written by ner_train")
    parser.add_argument(
        "--notes", required=True, help="note table of the tagged invented notes it learnt from"
    )
    parser.add_argument("--gates", required=True, nargs="+", help="files `passed` of the gates before it")
    parser.add_argument("--test", required=True, help="note table of the gold test notes")
    parser.add_argument(
        "--predictions", required=True, help="note table with the model's predictions on them"
    )
    parser.add_argument("--compare", required=True, type=Path, help="folder written by ner_compare")
    parser.add_argument("--report", required=True, help="folder written by release_report")
    parser.add_argument("--out", required=True, help="folder to write")
    args = parser.parse_args()
    settings = params.load(Package, "release.package")
    terms = params.load(Sources, f"corpora.{args.corpus}.licences").root
    reads = lineage.read(args.model)
    barring = sorted({entry.notes for entry in lineage.bars_release(reads)})
    reasons = []
    if barring and not settings.real_weights:
        reasons.append(
            f"weights or vocabulary have read real notes ({', '.join(barring)}); release.package.real_weights: true "
            "takes that on you"
        )
    reasons += [
        f"{gate}: failed, and let through by params"
        for gate in args.gates
        if Path(gate).read_text() != PASSED
    ]
    reasons += licences.problems(terms.model_dump(), settings.licences.model_dump())
    ours, stock = both_ways(args.model, args.test, args.predictions)
    apart = abs(ours["strict_f1"] - stock["strict_f1"])
    if apart > settings.difference:
        reasons.append(
            f"strict F1 {ours['strict_f1']:.3f} by our decoder, {stock['strict_f1']:.3f} by the stock pipeline, "
            f"which its users will run; more than {settings.difference:g} apart"
        )
    if reasons:
        raise UserError("\n".join([f"{args.model}: not packaged", *(f"  {reason}" for reason in reasons)]))
    arm = args.model.parts[-4]
    facts = cards.Facts(
        corpus=args.corpus, arm=arm, licences=settings.licences.model_dump(), sources=terms.model_dump(), reads=reads,
        overridden=bool(barring), ours=ours, stock=stock, arms=pl.read_csv(args.compare / "arms.csv").to_dicts(),
        labels=Tagger.load(args.model).labels, notes=notes.count(args.notes),
    )  # fmt: skip
    with building(args.out) as out:
        write(out, args.model, args.notes, Path(args.report), facts)
        lineage.write(out, reads)
    say(f"{args.out}: model, corpus, cards and report")


def write(out: Path, model: Path, table: str, report: Path, facts: cards.Facts) -> None:
    """The folder: model/, corpus/, report/, LICENCES.md."""
    shutil.copytree(model, out / "model", ignore=shutil.ignore_patterns(lineage.FILE, SETTINGS))
    for name in ("brat", "jsonl", "dataset"):
        (out / "corpus" / name).mkdir(parents=True)
        FORMATS[name](out / "corpus" / name, released(notes.read(table)))
    shutil.copytree(report, out / "report", ignore=shutil.ignore_patterns(lineage.FILE))
    (out / "model" / "README.md").write_text(cards.model(facts), encoding="utf-8")
    (out / "corpus" / "README.md").write_text(cards.corpus(facts), encoding="utf-8")
    (out / "LICENCES.md").write_text(cards.terms(facts), encoding="utf-8")
    write_json(out / "scores.json", {"our_decoder": facts.ours, "stock_pipeline": facts.stock})


def released(table: Iterable[Note]) -> Iterator[Note]:
    """The notes without what they came from, under names that say nothing."""
    for number, note in enumerate(table):
        yield replace(note, note_id=f"{number:06}", group_id=f"{number:06}", split=None, provenance={})


def both_ways(model: Path, test: str, predictions: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Scores on the test notes by our decoder, as predicted, and by the stock pipeline, undefined ones as 0."""
    gold = list(notes.read(test))

    def scores(predicted: Iterable[Note]) -> dict[str, Any]:
        found = scoring.scores(scoring.count(zip(gold, predicted, strict=True)).total())
        return {name: found[name] or 0.0 for name in ("strict_f1", "token_f1", "blind_recall")}

    return scores(notes.read(predictions)), scores(stock_tagged(model, gold))


def stock_tagged(model: Path, gold: Sequence[Note]) -> Iterator[Note]:
    """Notes as the stock pipeline tags them, words by their first subword; nothing of ours takes part."""
    import warnings

    from transformers import pipeline

    with warnings.catch_warnings():
        # It warns of tokenizers without words of their own: what that costs is what is measured here.
        warnings.simplefilter("ignore")
        tag = pipeline("token-classification", model=str(model), aggregation_strategy="first", stride=32)
        for note in progress(gold, total=len(gold), label="stock pipeline"):
            yield replace(
                note, spans=tuple(stock_spans(note.text, tag(note.text) if note.text.strip() else []))
            )


def stock_spans(text: str, entities: Iterable[Mapping[str, Any]]) -> Iterator[Span]:
    """The pipeline's entities as spans: without white space at their edges, and none inside an earlier one."""
    end = 0
    for entity in sorted(entities, key=lambda entity: entity["start"]):
        surface = text[entity["start"] : entity["end"]]
        start = entity["start"] + len(surface) - len(surface.lstrip())
        if surface.strip() and start >= end:
            end = start + len(surface.strip())
            yield Span(start, end, entity["entity_group"], float(entity["score"]))


if __name__ == "__main__":
    run(main)
