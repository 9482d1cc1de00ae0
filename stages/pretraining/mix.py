"""Put pieces and their rewritings together into the corpora that language models are pretrained on.

DVC stage pretraining_mix. Only pieces whose answers were accepted from every rephraser and prompt take part, so
that all mixtures tell of the same notes (METHOD, section 2); the part `all` alone has every piece of the notes.
"""

import argparse
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, RootModel

from stages.shared import draws, lineage, models, notes, params
from stages.shared.console import say
from stages.shared.errors import UserError, run
from stages.shared.lineage import Read
from stages.shared.notes import Note
from stages.shared.outputs import building, write_json

_WORD = re.compile(r"\S+")
# Where the pieces of a side lie, beside the folders of those who rewrote them.
PIECES = "pieces"


class Mixture(params.Section):
    """One row of the comparison: tokens of each part, as multiples of `tokens`, and how often all is read.

    Without any part nothing is trained: the row is the base model as it is.
    """

    parts: dict[str, Annotated[float, Field(gt=0)]]
    repeat: float = Field(gt=0)


class Mix(params.Section):
    """Section pretraining.mix."""

    tokens: int | None = Field(ge=1)
    seed: int
    mixtures: dict[str, Mixture]


class Names(RootModel[list[str]]):
    """Sections grid.rephrasers and grid.prompts."""


class Part(NamedTuple):
    """Where a part's texts come from: note tables that hold one text per piece, or, `shuffled`, its words."""

    side: str
    folders: list[Path]
    shuffled: bool = False
    # Whether pieces take part whose answers were not accepted.
    every: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mixture", required=True, help="name of a mixture in pretraining.mix.mixtures")
    parser.add_argument(
        "--texts", required=True, help="folder of the pieces and accepted answers, by side and writer"
    )
    parser.add_argument("--tokenizer", required=True, help="base model whose tokens are counted")
    parser.add_argument("--out", required=True, help="note table to write")
    parser.add_argument("--metrics", required=True, help="JSON file to write: pieces and tokens of each part")
    args = parser.parse_args()
    settings = params.load(Mix, "pretraining.mix")
    rephrasers, prompts = (params.load(Names, f"grid.{axis}").root for axis in ("rephrasers", "prompts"))
    writers = [f"{rephraser}/{prompt}" for rephraser in rephrasers for prompt in prompts]
    if args.mixture not in settings.mixtures:
        raise UserError(
            f"params.yaml: grid.mixtures names {args.mixture}; pretraining.mix.mixtures has "
            f"{', '.join(sorted(settings.mixtures))}"
        )
    mixture = settings.mixtures[args.mixture]
    cell = "/".join(Path(args.out).parts[-2:])
    parts = {name: resolve(name, args.mixture, writers, Path(args.texts), cell) for name in mixture.parts}
    sides = {part.side for part in parts.values()}
    common = {side: accepted_by_all(Path(args.texts) / side, writers, cell) for side in sides}
    tokenizer = models.load_counter(args.tokenizer)
    wanted = settings.tokens or smallest(parts, common, settings.seed, tokenizer)
    counts: dict[str, dict[str, int]] = {}
    with building(args.out) as out:
        notes.write(out, mixed(mixture, parts, common, wanted, settings.seed, tokenizer, counts))
        reads: set[Read] = set()
        for part in parts.values():
            for folder in part.folders:
                reads |= lineage.read(folder)
        lineage.write(out, reads)
    result = {
        "parts": counts,
        "tokens": sum(part["tokens"] for part in counts.values()),
        "repeat": mixture.repeat,
    }
    write_json(args.metrics, result)
    say(f"{args.mixture}: {result['tokens']} tokens, read {mixture.repeat:g} times")


def resolve(name: str, mixture: str, writers: list[str], folder: Path, cell: str) -> Part:
    """The tables of a part: real, all, public, shuffled; rephrased or unseen, by all, one rephraser, one prompt."""
    if name in ("real", "shuffled", "all"):
        return Part("real", [folder / "real" / PIECES / cell], name == "shuffled", name == "all")
    if name == "public":
        return Part("unseen", [folder / "unseen" / PIECES / cell])
    kind, _, writer = name.partition("/")
    chosen = [one for one in writers if f"{one}/".startswith(f"{writer}/" if writer else "")]
    if kind not in ("rephrased", "unseen") or not chosen:
        known = ["real", "all", "public", "shuffled"]
        known += [
            f"{kind}{writer}"
            for kind in ("rephrased", "unseen")
            for writer in ("", *(f"/{w}" for w in writers))
            if writers
        ]
        raise UserError(
            f"params.yaml: pretraining.mix.mixtures.{mixture}: no part {name}; by grid.rephrasers and grid.prompts "
            f"there are {', '.join(known)}"
        )
    side = "real" if kind == "rephrased" else "unseen"
    return Part(side, [folder / side / writer / cell for writer in chosen])


def accepted_by_all(side: Path, writers: list[str], cell: str) -> set[str]:
    """Ids of the pieces of a side whose answers of all writers were accepted; of all pieces, if nobody writes."""
    return set.intersection(
        *(
            set(notes.frame(side / writer / cell).select("note_id").collect()["note_id"])
            for writer in [PIECES, *writers]
        )
    )


def smallest(parts: dict[str, Part], common: dict[str, set[str]], seed: int, tokenizer: Any) -> int:
    """Tokens of the part that has the fewest; 0 without parts."""
    return min(
        (
            sum(length for _, length in counted(texts(part, common[part.side], seed), tokenizer))
            for part in parts.values()
        ),
        default=0,
    )


def mixed(
    mixture: Mixture,
    parts: dict[str, Part],
    common: dict[str, set[str]],
    unit: int,
    seed: int,
    tokenizer: Any,
    counts: dict[str, dict[str, int]],
) -> Iterator[Note]:
    """The texts of all parts, each until it holds its tokens; `counts` gets pieces and tokens by part.

    Raises UserError where a part is too small: reading it twice is `repeat`, and is said.
    """
    for name, part in parts.items():
        wanted = round(mixture.parts[name] * unit)
        here = counts[name] = {"pieces": 0, "tokens": 0, "source_pieces": 0}
        sources = set()
        for text, length in counted(texts(part, common[part.side], seed), tokenizer):
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


def texts(part: Part, common: set[str], seed: int) -> Iterator[Note]:
    """The part's texts in an order drawn by piece; where several writers have one, they take turns."""
    tables = [
        {note.note_id: note for note in notes.read(folder) if part.every or note.note_id in common}
        for folder in part.folders
    ]
    order = draws.order(dict.fromkeys(tables[0], 1), "mix", seed)
    for turn in range(len(tables)):
        for place, name in enumerate(order):
            number = (place + turn) % len(tables)
            note = tables[number][name]
            if part.shuffled:
                note = replace(note, text=shuffled(note, seed))
            yield replace(note, note_id=f"{number}:{name}", provenance={**note.provenance, "piece": name})


def shuffled(note: Note, seed: int) -> str:
    """The words of a piece in a drawn order: what is left is which words it has."""
    words = _WORD.findall(note.text)
    random.Random(f"{seed}/{note.note_id}").shuffle(words)
    return " ".join(words)


def counted(of: Iterator[Note], tokenizer: Any) -> Iterator[tuple[Note, int]]:
    """Each text with its number of tokens."""
    for chunk in notes.batched(of, notes.CHUNK):
        encoded = tokenizer.encode_batch_fast([note.text for note in chunk], add_special_tokens=False)
        yield from zip(chunk, map(len, encoded), strict=True)


if __name__ == "__main__":
    run(main)
