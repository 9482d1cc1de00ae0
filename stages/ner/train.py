"""Train a de-identification model on the notes of one arm (DVC stage `ner_train`)."""

from stages.lm import models
from stages.ner import fitting
from stages.notes import note_table
from stages.notes.note_table import NoteTable
from stages.runtime.errors import UserError
from stages.runtime.outputs import write_json
from stages.runtime.stage import InFolder, OutFile, OutFolder, Run, stage
from stages.scoring import scores


@stage("ner.train")
def train(
    corpus: str,
    arm: str,
    fold: int,
    seed: int,
    base: InFolder,
    notes: NoteTable,
    select: NoteTable,
    out: OutFolder,
    metrics: OutFile,
    settings: fitting.Train,
    run: Run,
) -> str:
    """Train a de-identification model on the notes of one arm. The stage cannot tell the arms apart.

    base: the base encoder, or a folder of pretrained encoders by fold and seed.
    notes: the notes to train on.
    select: real notes on which F1 is measured during training.
    seed: seed of the new classification head, the order of the notes, and dropout.
    out: model, tokenizer and lineage.json.
    metrics: the budget spent and the learning curve.
    """
    if not note_table.count(notes):
        raise UserError(f"{notes}: no notes to train on; give this arm a larger share in params.yaml")
    result = fitting.fit(models.of_cell(base, fold, seed), notes, select, settings, seed, run.scratch, out, run)
    write_json(metrics, result)
    cap = "" if result["ceiling"] == 1 else f"; this tokenizer caps it at {scores.shown(result['ceiling'])}"
    found = scores.shown(result["curve"][-1]["select_f1"])
    return f"{result['steps']} steps, strict F1 on the select notes {found}{cap}"


if __name__ == "__main__":
    train.main()
