"""Fine-tune a pretrained encoder on a downstream task (DVC stage `pretraining_probe`)."""

import shutil
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from stages.lm.models import ModelFolder
from stages.ner import fitting
from stages.ner.fitting import Train
from stages.ner.tagger import Tagger
from stages.notes import note_table
from stages.pretraining.classification import FineTuning, classify
from stages.runtime import lineage
from stages.runtime.console import progress
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.outputs import write_json
from stages.runtime.params import Root, Section
from stages.runtime.stage import InFolder, OutFile, OutFolder, Run, stage
from stages.scoring import counting, scores


class Ner(Section):
    """Tagging of a corpus: trained on its training part, scored on its test part."""

    kind: Literal["ner"]
    corpus: str
    """A tagged corpus of grid.corpora."""
    train: Train
    """How the tagger is trained, as in ner.train. Few steps, or they make up for what pretraining lacked."""


class Text(Section):
    """Classification of texts, or of pairs of texts (docs/rephrasing.md)."""

    kind: Literal["text"]
    folder: str
    """Folder of data/tasks with train.jsonl and test.jsonl."""
    train: FineTuning
    """How the classifier is trained."""


class Task(Root[Annotated[Ner | Text, Field(discriminator="kind")]]):
    """A downstream task on which the pretrained encoders are tested."""

    at: ClassVar[str] = "pretraining.probe.tasks.{task}"


@stage("pretraining.probe")
def probe(
    task: str,
    mixture: str,
    corpus: str,
    fold: int,
    seed: int,
    encoder: ModelFolder,
    split: InFolder,
    tasks: InFolder,
    out: OutFolder,
    metrics: OutFile,
    settings: Task,
    run: Run,
) -> str:
    """Fine-tune a pretrained encoder on a downstream task and score it.

    encoder: the pretrained encoder.
    split: folder of the tagged corpora by name, fold and role.
    tasks: folder of the folders with train.jsonl and test.jsonl.
    seed: seed of the new classification head, the order of the texts, and dropout.
    out: note tables gold and predicted, of the test part.
    metrics: scores and training budget.
    """
    chosen = settings.root
    if isinstance(chosen, Ner):
        source = split / chosen.corpus / str(fold)
        if not source.is_dir():
            raise UserError(
                f"params.yaml: pretraining.probe.tasks.{task}.corpus: {source} is not there; {chosen.corpus} must "
                "be one of grid.corpora and have that fold"
            )
        budget = tag(chosen.train, encoder, source, seed, out, run)
        reads = lineage.read(source / "test") | lineage.through(lineage.read(run.scratch / "model"), "tags")
    else:
        source = tasks / chosen.folder
        budget = classify(chosen.train, encoder, source, seed, out, run)
        reads = lineage.read(source, otherwise=[Read(f"task:{source.name}", "real", "content")])
    lineage.write(out, reads | lineage.through(lineage.read(encoder), "tags"))
    counts = counting.count(zip(note_table.read(out / "gold"), note_table.read(out / "predicted"), strict=True))
    found = scores.all_scores(counts.total())
    result = {"score": found["strict_f1"], "macro": found["strict_f1_macro"], "test": len(counts.note_ids), **budget}
    run.log(result)
    write_json(metrics, result)
    return f"{result['score']:.3f} on {result['test']} test texts"


def tag(settings: Train, encoder: Path, source: Path, seed: int, out: Path, run: Run) -> dict[str, int]:
    """Train a tagger, and write the test part as note tables gold and predicted to `out`.

    Returns the number of training notes, their words, and the optimiser steps.
    """
    model, test = run.scratch / "model", source / "test"
    shutil.rmtree(model, ignore_errors=True)
    trained = fitting.fit(encoder, source / "train", source / "select", settings, seed, run.scratch, model, run)
    note_table.write(out / "gold", note_table.read(test))
    notes = progress(note_table.read(test), total=note_table.count(test), label="tagging")
    note_table.write(out / "predicted", Tagger.load(model).tag(notes))
    return {name: trained[name] for name in ("notes", "words", "steps")}


if __name__ == "__main__":
    probe.main()
