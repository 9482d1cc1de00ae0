"""Train an ensemble of annotators, whose word probabilities are averaged (DVC stage `ner_ensemble`)."""

from typing import ClassVar

from pydantic import Field

from stages.lm import models
from stages.ner import fitting
from stages.ner.tagger import MEMBERS, Tagger
from stages.notes import note_table
from stages.notes.note_table import NoteTable
from stages.runtime import lineage
from stages.runtime.outputs import write_json
from stages.runtime.params import Section
from stages.runtime.stage import InFolder, OutFile, OutFolder, Run, stage


class Ensemble(Section):
    """How many annotators vote."""

    at: ClassVar[str] = "ner.ensemble"

    members: int = Field(ge=2)
    """Annotators in the ensemble, trained on the same notes with different seeds. Time grows in proportion."""


@stage("ner.ensemble")
def ensemble(
    corpus: str,
    fold: int,
    seed: int,
    base: InFolder,
    notes: NoteTable,
    select: NoteTable,
    out: OutFolder,
    metrics: OutFile,
    settings: Ensemble,
    training: fitting.Train,
    run: Run,
) -> str:
    """Train an ensemble of annotators on the annotator's share, for corpora where one annotator is too weak.

    base: the base encoder, or a folder of pretrained encoders by fold and seed.
    notes: the annotator's share of the real notes.
    select: real notes on which F1 is measured during training.
    out: a folder per member, and members.json.
    metrics: strict F1 on the select notes, of every member and of the ensemble.
    """
    encoder = models.of_cell(base, fold, seed)
    single = []
    for member in range(1, settings.members + 1):
        folder, checkpoints = out / str(member), run.scratch / str(member)
        # No other model of any replicate has this seed.
        result = fitting.fit(encoder, notes, select, training, 1000 * seed + member, checkpoints, folder, run)
        single.append(result["curve"][-1]["select_f1"])
    write_json(out / MEMBERS, {"members": settings.members})
    lineage.write(out, lineage.read(folder))
    together = fitting.strict_f1(Tagger.load(out), list(note_table.read(select)))
    write_json(metrics, {"members": single, "ensemble": together})
    return f"strict F1 on the select notes {together} for the ensemble, {single} for its members"


if __name__ == "__main__":
    ensemble.main()
