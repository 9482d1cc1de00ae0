"""Measure how well a pretrained decoder predicts texts (DVC stage `pretraining_perplexity`)."""

from typing import Any, ClassVar

import polars as pl
from pydantic import Field

from stages.lm import evaluation, models, round_trip
from stages.lm.models import ModelFolder
from stages.notes import note_table
from stages.notes import public as public_texts
from stages.notes.note_table import NoteTable
from stages.pretraining.corpus import LOSSES, Rewriting
from stages.runtime import lineage
from stages.runtime.outputs import write_json
from stages.runtime.params import Section
from stages.runtime.stage import InFolder, OutFile, OutFolder, Run, stage


class Perplexity(Section):
    """How the loss of a text is measured."""

    at: ClassVar[str] = "pretraining.perplexity"

    context: int = Field(ge=8)
    """Window length in tokens. Longer texts are read in windows that overlap by half."""


@stage("pretraining.perplexity")
def measure(
    mixture: str,
    corpus: str,
    fold: int,
    seed: int,
    model: ModelFolder,
    test: NoteTable,
    public: InFolder,
    out: OutFolder,
    metrics: OutFile,
    settings: Perplexity,
    rewriting: Rewriting,
    run: Run,
) -> str:
    """Measure how well a pretrained decoder predicts real notes that were not rewritten, and texts from elsewhere.

    Bits per byte is the headline number: it does not depend on the tokenizer.

    model: the pretrained decoder.
    test: real notes that were never rewritten.
    public: folder of the public texts, for those from elsewhere.
    out: the loss of every text.
    metrics: bits per byte and perplexity.
    """
    folders = public_texts.folders(public, rewriting.elsewhere)
    parts = {"test": note_table.read(test)} | {folder.name: public_texts.read([folder]) for folder in folders}
    decoder = models.load_decoder(model).to(models.device())
    tokenizer = models.load_tokenizer(model)
    context = min(settings.context, models.context(decoder.config))
    rows: list[dict[str, Any]] = []
    result = {}
    for name, notes in parts.items():
        texts = list(notes)
        losses = evaluation.losses(decoder, tokenizer, [note.text for note in texts], context)
        kept = round_trip.check(tokenizer, (note.text for note in texts))
        result[name] = evaluation.summary(losses) | {"round_trip": kept._asdict()}
        rows += [
            {"part": name, "note_id": note.note_id, "group_id": note.group_id, **loss._asdict()}
            for note, loss in zip(texts, losses, strict=True)
        ]
    pl.DataFrame(rows).write_parquet(out / LOSSES)
    lineage.write(out, lineage.through(lineage.read(model), "tags") | lineage.read(test))
    run.log({name: {"bits_per_byte": summary["bits_per_byte"]} for name, summary in result.items()})
    write_json(metrics, result)
    return ", ".join(f"{name} {summary['bits_per_byte']:.3f} bits per byte" for name, summary in result.items())


if __name__ == "__main__":
    measure.main()
