"""Train an annotator again, with invented notes that a teacher tagged (DVC stage `ner_selftrain`)."""

from collections import Counter
from itertools import chain
from typing import ClassVar, Literal

from stages.lm import models
from stages.ner import fitting
from stages.ner.confidence import Confidence, confident
from stages.ner.tagger import Tagger
from stages.notes import note_table
from stages.notes.note_table import NoteTable
from stages.runtime import lineage
from stages.runtime.console import progress
from stages.runtime.outputs import building, write_json
from stages.runtime.stage import InFolder, OutFile, OutFolder, Run, stage
from stages.scoring import scores


class Selftrain(Confidence):
    """Which model tags the invented notes, and which of its tags are trained on."""

    at: ClassVar[str] = "ner.selftrain"

    teacher: Literal["real", "annotator", "ensemble"]
    """The model that tags: real or annotator, which must be in grid.arms, or ensemble (grid.ensembled)."""


@stage("ner.selftrain")
def selftrain(
    corpus: str,
    fold: int,
    seed: int,
    base: InFolder,
    teacher: InFolder,
    notes: NoteTable,
    invented: NoteTable,
    select: NoteTable,
    out: OutFolder,
    metrics: OutFile,
    settings: Selftrain,
    training: fitting.Train,
    run: Run,
) -> str:
    """Train an annotator on its notes and on invented notes that a teacher tagged.

    base: the base encoder, or a folder of pretrained encoders by fold and seed.
    teacher: the model that tags the invented notes.
    notes: the annotator's share of the real notes.
    invented: the notes that the teacher tags.
    select: real notes on which F1 is measured during training.
    out: model, tokenizer and lineage.json.
    metrics: the budget spent and the learning curve.
    """
    tagged = run.scratch / "notes"
    if not tagged.exists():
        # One round of self-training (Yarowsky 1995), with generated text in place of untagged real text.
        counts: Counter[str] = Counter()
        texts = progress(note_table.read(invented), total=note_table.count(invented), label="tagging")
        sure = confident(Tagger.load(teacher).tag(texts), settings, counts)
        with building(tagged) as table:
            note_table.write(table, chain(note_table.read(notes), sure))
            tags = lineage.through(lineage.read(teacher), "tags")
            lineage.write(table, lineage.read(notes) | lineage.read(invented) | tags)
        run.log({name: counts[name] for name in ("notes", "spans", "dropped", "lines")})
    encoder, checkpoints = models.of_cell(base, fold, seed), run.scratch / "checkpoints"
    result = fitting.fit(encoder, tagged, select, training, seed, checkpoints, out, run)
    write_json(metrics, result)
    return f"{result['notes']} notes, strict F1 on the select notes {scores.shown(result['curve'][-1]['select_f1'])}"


if __name__ == "__main__":
    selftrain.main()
