"""Collect what may be released in one folder, or say why it must stay (DVC stage `release_package`)."""

import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
from pydantic import Field

from stages.corpora.export import FORMATS
from stages.gates.gate import PASSED
from stages.ner.tagger import SETTINGS, Tagger
from stages.notes import note_table
from stages.notes.note_table import Note, NoteTable, Span
from stages.release import conditions, pages
from stages.runtime import lineage
from stages.runtime.console import progress
from stages.runtime.errors import UserError
from stages.runtime.outputs import write_json
from stages.runtime.stage import InFile, InFolder, OutFolder, stage
from stages.scoring import counting, scores

# The cards and the licences: file of the package and its template.
CARDS = {
    "model/README.md": "templates/model_card.md.j2",
    "corpus/README.md": "templates/corpus_card.md.j2",
    "LICENCES.md": "templates/licences.md.j2",
}


class Package(conditions.Weights):
    """What may be released, and under which licences."""

    at: ClassVar[str] = "release.package"

    difference: float = Field(default=0.01, ge=0)
    """Largest difference in strict F1 between our decoder and the stock Transformers pipeline, which the users of a
    package run. Models trained for longer, or from a pretrained WordPiece encoder, differ less."""
    licences: conditions.Outputs


@stage("release.package")
def package(
    corpus: str,
    arm: str,
    fold: int,
    seed: int,
    model: InFolder,
    notes: NoteTable,
    gold_gate: InFile,
    synthesis_gate: InFile,
    test: NoteTable,
    predictions: NoteTable,
    compare: InFolder,
    report: InFolder,
    out: OutFolder,
    settings: Package,
    sources: conditions.Sources,
) -> str:
    """Collect a model, its invented corpus, cards, licences and the report in one folder.

    Refuses, and names all reasons at once (docs/method.md, sections 1 and 3): weights, a vocabulary or a corpus with
    text of real notes, a gate that failed and was let through, missing or conflicting licences, and a model that
    scores worse without our decoder.

    model: the model, as ner_train writes it.
    notes: the tagged invented notes that it was trained on.
    gold_gate: the file `passed` of corpora_check.
    synthesis_gate: the file `passed` of synthesis_check.
    test: the gold test notes.
    predictions: the test notes as tagged by the model.
    compare: the comparison of the arms by ner_compare.
    report: the report of release_report.
    out: model/, corpus/, report/, LICENCES.md and scores.json.
    """
    reads, held = lineage.read(model), lineage.read(notes)
    terms, licences = sources.model_dump(), settings.licences.model_dump()
    attribution = terms.pop("attribution")
    gates = (gold_gate, synthesis_gate)
    reasons = settings.problems(reads)
    if barring := sorted({entry.notes for entry in lineage.bars_release(held)}):
        reasons.append(
            f"{notes} holds text of real notes ({', '.join(barring)}), so it is no invented corpus; with prompt: "
            "first_words, set synthesis.generate.keep_prompt: false"
        )
    reasons += [f"{gate}: failed, and let through by params" for gate in gates if gate.read_text() != PASSED]
    reasons += conditions.problems(corpus, terms, licences, attribution)
    ours, stock = both_ways(model, test, predictions)
    if abs(ours["strict_f1"] - stock["strict_f1"]) > settings.difference:
        reasons.append(
            f"strict F1 is {ours['strict_f1']:.3f} with our decoder and {stock['strict_f1']:.3f} with the stock "
            f"pipeline, which its users will run; they differ by more than {settings.difference:g}"
        )
    if reasons:
        raise UserError("\n".join([f"{model}: not packaged", *(f"  {reason}" for reason in reasons)]))
    # Every folder that somebody may copy on its own says what it comes from.
    shutil.copytree(model, out / "model", ignore=shutil.ignore_patterns(SETTINGS))
    for name in ("brat", "jsonl", "dataset"):
        (out / "corpus" / name).mkdir(parents=True)
        FORMATS[name](out / "corpus" / name, released(note_table.read(notes)))
        lineage.write(out / "corpus" / name, held)
    shutil.copytree(report, out / "report", ignore=shutil.ignore_patterns(lineage.FILE))
    write_json(out / "scores.json", {"our_decoder": ours, "stock_pipeline": stock})
    arms = pl.read_csv(compare / "arms.csv").to_dicts()
    facts = {
        "corpus": corpus, "arm": arm, "licences": licences, "sources": terms, "attribution": attribution,
        "reads": {"model": sorted(reads), "corpus": sorted(held)}, "ours": ours, "stock": stock, "arms": arms,
        "own": next(row for row in arms if row["arm"] == arm), "labels": Tagger.load(model).labels,
        "notes": note_table.count(notes), "overridden": bool(lineage.bars_release(reads)),
    }  # fmt: skip
    for file, template in CARDS.items():
        page = pages.render(template, frame="templates/card.md.j2", part=Path(file).parent.name, **facts)
        (out / file).write_text(page, encoding="utf-8")
    lineage.write(out, reads | held)
    return "model, corpus, cards and report"


def released(notes: Iterable[Note]) -> Iterator[Note]:
    """Yield the notes without their provenance, under running numbers as ids."""
    for number, note in enumerate(notes):
        yield replace(note, note_id=f"{number:06}", group_id=f"{number:06}", split=None, provenance={})


def both_ways(model: Path, test: Path, predictions: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Return scores on the test notes: as predicted with our decoder, and by the stock pipeline; 0 if undefined."""
    gold = list(note_table.read(test))

    def scored(predicted: Iterable[Note]) -> dict[str, float]:
        found = scores.all_scores(counting.count(zip(gold, predicted, strict=True)).total())
        return {name: found[name] or 0.0 for name in ("strict_f1", "token_f1", "blind_recall")}

    return scored(note_table.read(predictions)), scored(stock_tagged(model, gold))


def stock_tagged(model: Path, notes: Sequence[Note]) -> Iterator[Note]:
    """Yield notes as the stock pipeline tags them, without any of our code: a word has its first subword's tag."""
    from transformers import pipeline

    with warnings.catch_warnings():
        # The pipeline warns of tokenizers that do not know words; the cost of that is part of what is measured.
        warnings.simplefilter("ignore")
        tag = pipeline("token-classification", model=str(model), aggregation_strategy="first", stride=32)
        for note in progress(notes, total=len(notes), label="stock pipeline"):
            yield replace(note, spans=tuple(stock_spans(note.text, tag(note.text) if note.text.strip() else [])))


def stock_spans(text: str, entities: Iterable[Mapping[str, Any]]) -> Iterator[Span]:
    """Yield the pipeline's entities as spans, without white space at the edges and without overlaps."""
    end = 0
    for entity in sorted(entities, key=lambda entity: entity["start"]):
        surface = text[entity["start"] : entity["end"]]
        start = entity["start"] + len(surface) - len(surface.lstrip())
        if surface.strip() and start >= end:
            end = start + len(surface.strip())
            yield Span(start, end, entity["entity_group"], float(entity["score"]))


if __name__ == "__main__":
    package.main()
