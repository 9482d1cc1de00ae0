"""How well a pretrained decoder predicts real notes that nobody rewrote, and texts from elsewhere.

DVC stage pretraining_perplexity. Bits per byte is the headline: it does not depend on the tokenizer.
"""

import argparse
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from stages.pretraining.corpus import LOSSES, LOSSES_SCHEMA, Rewriting
from stages.shared import lineage, lm, models, notes, params, public
from stages.shared.console import say
from stages.shared.errors import run
from stages.shared.outputs import building, write_json
from stages.shared.tracking import track


class Perplexity(params.Section):
    """Section pretraining.perplexity."""

    context: int = Field(ge=8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="name of the corpus in params.yaml")
    parser.add_argument("--model", required=True, help="folder of a decoder written by pretraining_pretrain")
    parser.add_argument("--test", required=True, help="note table of real notes that were never rewritten")
    parser.add_argument("--public", required=True, help="folder of public texts, for those from elsewhere")
    parser.add_argument("--out", required=True, help="folder to write: the loss of every text")
    parser.add_argument("--metrics", required=True, help="JSON file to write: bits per byte and perplexity")
    args = parser.parse_args()
    settings = params.load(Perplexity, "pretraining.perplexity")
    elsewhere = params.load(Rewriting, f"corpora.{args.corpus}.rewriting").elsewhere
    folders = public.folders(args.public, elsewhere)
    mixture, corpus, fold, seed = Path(args.out).parts[-4:]
    cell = "-".join([corpus, mixture, fold, seed])
    tags = {"corpus": corpus, "mixture": mixture, "fold": fold, "seed": seed}
    parts = {"test": notes.read(args.test)} | {folder.name: public.read([folder]) for folder in folders}
    with track("pretraining/perplexity", cell, settings, tags) as run_, building(args.out) as out:
        model = models.load_decoder(args.model).to(models.device())
        tokenizer = models.load_tokenizer(args.model)
        rows: list[dict[str, Any]] = []
        result = {}
        for name, of in parts.items():
            texts = list(of)
            found = lm.losses(model, tokenizer, [note.text for note in texts], settings.context)
            result[name] = lm.summary(found)
            rows += [
                {"part": name, "note_id": note.note_id, "group_id": note.group_id, **loss._asdict()}
                for note, loss in zip(texts, found, strict=True)
            ]
        out.mkdir()
        pl.DataFrame(rows, schema=LOSSES_SCHEMA).write_parquet(out / LOSSES)
        lineage.write(out, lineage.through(lineage.read(args.model), "tags") | lineage.read(args.test))
        run_.metrics({name: {"bits_per_byte": of["bits_per_byte"]} for name, of in result.items()})
    write_json(args.metrics, result)
    say(
        f"{cell}: "
        + ", ".join(f"{name} {of['bits_per_byte']:.3f} bits per byte" for name, of in result.items())
    )


if __name__ == "__main__":
    run(main)
