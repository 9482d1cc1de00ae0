"""Compose the corpora that language models are pretrained on (DVC stage `pretraining_mix`).

Only pieces whose answers were accepted from every rephraser and prompt take part, so that all mixtures tell of the
same notes (docs/method.md); the part `all` alone has every piece of the notes.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple

from pydantic import Field

from stages.lm import models
from stages.lm.models import ModelFolder
from stages.notes import draws, note_table
from stages.notes.note_table import Note
from stages.pretraining.pieces import counted
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.outputs import write_json
from stages.runtime.params import Root, Section
from stages.runtime.stage import InFolder, OutFile, OutFolder, stage

# Folder of the pieces of a side, beside the folders of the answers by rephraser and prompt.
PIECES = "pieces"


class Mixture(Section):
    """One row of the comparison. Without parts nothing is trained, and the row is the base model as it is."""

    parts: dict[str, Annotated[float, Field(gt=0)]]
    """Tokens of each part, as a multiple of `tokens`. Parts are real; shuffled, the words of real pieces in random
    order; public; rephrased and unseen, by all rephrasers and prompts, or by some, as in rephrased/demo or
    rephrased/demo/encyclopedia; and all, real pieces including those whose answers were not accepted."""
    repeat: float = Field(gt=0)
    """How often the whole mixture is read, as a multiple of pretraining.pretrain.epochs."""


class Mix(Section):
    """What the corpora are made of that language models are pretrained on."""

    at: ClassVar[str] = "pretraining.mix"

    tokens: int | None = Field(ge=1)
    """Tokens of a part of multiple 1, by the corpus's base decoder; null: as many as the smallest part has."""
    seed: int = 1
    """Seed of the order in which pieces are drawn, the same for all mixtures."""
    mixtures: dict[str, Mixture]
    """The mixtures by name."""


class Rephrasers(Root[list[str]]):
    """The models whose answers the mixtures may contain."""

    at: ClassVar[str] = "grid.rephrasers"


class Prompts(Root[list[str]]):
    """The prompts whose answers the mixtures may contain."""

    at: ClassVar[str] = "grid.prompts"


@stage("pretraining.mix")
def mix(
    mixture: str,
    corpus: str,
    fold: int,
    texts: InFolder,
    tokenizer: ModelFolder,
    out: OutFolder,
    metrics: OutFile,
    settings: Mix,
    rephrasers: Rephrasers,
    prompts: Prompts,
) -> str:
    """Compose a corpus for pretraining from pieces and their rewritings.

    texts: folder of the pieces and accepted answers, by side, rephraser and prompt.
    tokenizer: base model whose tokens are counted.
    out: note table of the mixture.
    metrics: pieces and tokens of each part, and the tokens that the recipe asks for.
    """
    if mixture not in settings.mixtures:
        known = ", ".join(sorted(settings.mixtures))
        raise UserError(f"params.yaml: grid.mixtures names {mixture}; pretraining.mix.mixtures has {known}")
    recipe = settings.mixtures[mixture]
    writers = [f"{rephraser}/{prompt}" for rephraser in rephrasers.root for prompt in prompts.root]
    cell = f"{corpus}/{fold}"
    parts = {name: resolve(name, mixture, writers, texts, cell) for name in recipe.parts}
    common = {side: accepted_by_all(texts / side, writers, cell) for side in {part.side for part in parts.values()}}
    counter = models.load_counter(tokenizer, offsets=False)

    def sized(name: str) -> Iterator[tuple[Note, int]]:
        """The texts of a part in the order drawn, with their numbers of tokens."""
        return counted(drawn(parts[name], common[parts[name].side], settings.seed), counter)

    unit = settings.tokens or min((sum(length for _, length in sized(name)) for name in parts), default=0)
    counts: dict[str, dict[str, int]] = {}
    note_table.write(out, mixed(recipe, unit, sized, counts))
    folders = [folder for part in parts.values() for folder in part.folders]
    lineage.write(out, {entry for folder in folders for entry in lineage.read(folder)})
    tokens = sum(part["tokens"] for part in counts.values())
    # What was asked for. Whole pieces are drawn, so there may be a few tokens more.
    budget = sum(round(multiple * unit) for multiple in recipe.parts.values())
    write_json(metrics, {"parts": counts, "tokens": tokens, "budget": budget, "repeat": recipe.repeat})
    return f"{tokens} tokens, read {recipe.repeat:g} times"


def mixed(
    mixture: Mixture, unit: int, sized: Callable[[str], Iterable[tuple[Note, int]]], counts: dict[str, dict[str, int]]
) -> Iterator[Note]:
    """The texts of all parts, each until it has its tokens; adds pieces and tokens by part to `counts`.

    Raises UserError if a part is too small. It is never read twice for that: `repeat` does so openly.
    """
    for name, multiple in mixture.parts.items():
        wanted = round(multiple * unit)
        here = counts[name] = {"pieces": 0, "tokens": 0, "source_pieces": 0}
        sources = set()
        for text, length in sized(name):
            if here["tokens"] >= wanted:
                break
            here["pieces"] += 1
            here["tokens"] += length
            sources.add(text.provenance["piece"])
            yield replace(text, note_id=f"{name}:{text.note_id}")
        here["source_pieces"] = len(sources)
        if here["tokens"] < wanted:
            raise UserError(
                f"params.yaml: the mixture wants {wanted} tokens of {name}, which has {here['tokens']}: lower "
                "pretraining.mix.tokens (null: as many as the smallest part has) or the part's multiple"
            )


class Part(NamedTuple):
    """Note tables with one text for each piece of a side, real or unseen."""

    side: str
    folders: list[Path]
    shuffled: bool = False
    """Whether the words of each text are put into random order."""
    every: bool = False
    """Whether pieces take part whose answers were not accepted."""


def resolve(name: str, mixture: str, writers: list[str], folder: Path, cell: str) -> Part:
    """The part of this name; UserError if grid.rephrasers and grid.prompts do not give one."""
    if name in ("real", "shuffled", "all"):
        return Part("real", [folder / "real" / PIECES / cell], name == "shuffled", name == "all")
    if name == "public":
        return Part("unseen", [folder / "unseen" / PIECES / cell])
    sides = {"rephrased": "real", "unseen": "unseen"}
    kind, _, writer = name.partition("/")
    chosen = [one for one in writers if f"{one}/".startswith(f"{writer}/" if writer else "")]
    if kind not in sides or not chosen:
        suffixes = ["", *(f"/{one}" for one in writers)] if writers else []
        known = ["real", "all", "public", "shuffled", *(f"{kind}{suffix}" for kind in sides for suffix in suffixes)]
        raise UserError(
            f"params.yaml: pretraining.mix.mixtures.{mixture}: no part {name}; by grid.rephrasers and grid.prompts "
            f"there are {', '.join(known)}"
        )
    return Part(sides[kind], [folder / sides[kind] / writer / cell for writer in chosen])


def accepted_by_all(side: Path, writers: list[str], cell: str) -> set[str]:
    """Ids of the pieces of a side whose answers by all writers were accepted; all pieces without writers."""
    tables = (note_table.frame(side / writer / cell).select("note_id") for writer in (PIECES, *writers))
    return set.intersection(*(set(table.collect()["note_id"]) for table in tables))


def drawn(part: Part, common: set[str], seed: int) -> Iterator[Note]:
    """The texts of a part in an order drawn by piece; several writers take turns."""
    tables = [
        {note.note_id: note for note in note_table.read(folder) if part.every or note.note_id in common}
        for folder in part.folders
    ]
    order = draws.order(dict.fromkeys(tables[0], 1), "mix", seed)
    for turn in range(len(tables)):
        for place, name in enumerate(order):
            number = (place + turn) % len(tables)
            note = tables[number][name]
            if part.shuffled:
                words = note.text.split()
                random.Random(f"{seed}/{name}").shuffle(words)
                note = replace(note, text=" ".join(words))
            # Nothing is learned from the tags of a piece here.
            yield replace(note, note_id=f"{number}:{name}", spans=(), provenance={**note.provenance, "piece": name})


if __name__ == "__main__":
    mix.main()
