"""Training of a tagger, as ner_train, ner_ensemble, ner_selftrain and pretraining_probe do it."""

from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from stages.lm import models, tokenised, training
from stages.lm.optimisation import Budget, Optimisation
from stages.ner import ceiling, words
from stages.ner.examples import Examples, tokenise
from stages.ner.tagger import SETTINGS, Tagger
from stages.notes import note_table, tags, units
from stages.notes.note_table import Note
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.outputs import write_json
from stages.runtime.tracking import Tracker
from stages.scoring import counting, scores


class Train(Budget, Optimisation):
    """How a de-identification model is trained, the same for every arm."""

    at: ClassVar[str] = "ner.train"

    unit: units.Unit = "note"
    """Unit of training: whole notes, cut into windows, or pieces of `piece_words` words as in the paper."""
    piece_words: int = Field(default=128, ge=8)
    """Words of a piece (128 in the paper)."""
    length: int = Field(ge=16)
    """Subwords of a window, in training and in use. Longer notes are cut into several windows."""
    overlap: int = Field(ge=0)
    """Subwords that neighbouring windows share. Each word is read in the window in which it has most context."""
    hidden: float = Field(ge=0, lt=1)
    """Share of the subwords that are masked in training, different ones in each epoch."""
    probes: int = Field(ge=1)
    """How often strict F1 on the select notes is measured during training. Logged only; nothing is chosen by it."""

    @model_validator(mode="after")
    def _windows_fit(self) -> Self:
        if self.overlap * 2 > self.length:
            raise ValueError("overlap must be at most half of length")
        return self


def fit(
    base: Path, table: Path, select: Path, settings: Train, seed: int, folder: Path, out: Path, tracker: Tracker
) -> dict[str, Any]:
    """Write a tagger trained on the notes of `table` to `out`; return the budget spent and the learning curve.

    `folder` keeps checkpoints and tokenised notes, so that a killed training resumes. F1 on the notes of `select` is
    measured and never acted on: every arm trains for the budget given.
    """
    import torch

    tokenizer = words.apart(models.load_tokenizer(base, offsets=True))
    learned = list(units.units(note_table.read(table), settings.unit, settings.piece_words))
    names = tags.tag_names(span.label for note in learned for span in note.spans)
    if settings.hidden and tokenizer.mask_token_id is None:
        raise UserError("params.yaml: ner.train.hidden needs a tokenizer with a mask token; set it to 0")
    if len(names) == 1:
        raise UserError(f"{table}: none of the notes is tagged; NER needs tags to learn from")
    rows = tokenise(learned, tokenizer, names, settings.length, settings.overlap, folder)
    torch.manual_seed(seed)
    model = models.load_encoder(base, names).to(models.device())
    longest = min(tokenizer.model_max_length, models.context(model.config))
    if settings.length > longest:
        raise UserError(f"params.yaml: ner.train.length is {settings.length}; {base} reads at most {longest}")
    reading: dict[str, Any] = {
        "length": settings.length,
        "overlap": settings.overlap,
        "adjacent": tags.adjacency(tags.encode(note.spans, tags.word_offsets(note.text)) for note in learned),
    }
    tagger = Tagger(model, tokenizer, **reading, precision=settings.precision)
    most = ceiling.strict_f1(learned, tokenizer, names)
    select_notes = list(note_table.read(select))
    total = settings.steps_for(len(rows), settings.batch) * settings.batch
    order = Examples(rows, tokenised.lengths(rows), settings.batch, total, seed, settings.hidden, tokenizer)
    probe = training.Probe(lambda: {"select_f1": strict_f1(tagger, select_notes)}, settings.probes)
    collate = training.padded(tokenizer)
    fitted = training.fit(model, order, settings, seed, folder, tracker, "training", probe, collate=collate)
    model.to("cpu").save_pretrained(out)
    tokenizer.save_pretrained(out)
    write_json(out / SETTINGS, reading)
    lineage.write(out, lineage.read(base) | lineage.trained_on(lineage.read(table)))
    return {
        "steps": fitted.steps,
        "epochs": round(fitted.steps * settings.batch / len(rows), 3),
        "notes": note_table.count(table),
        "words": sum(note_table.count_words(note.text) for note in learned),
        "spans": sum(len(note.spans) for note in learned),
        "windows": len(rows),
        "labels": names[1::2],
        # The most that this tokenizer allows on these notes.
        "ceiling": most,
        "curve": fitted.probes,
    }


def strict_f1(tagger: Tagger, gold: list[Note]) -> float | None:
    """Return strict F1 on gold notes, rounded; None if there are neither gold nor predicted spans."""
    counted = counting.count(zip(gold, tagger.tag(gold), strict=True))
    return scores.rounded(scores.strict_f1(counted.total()))
