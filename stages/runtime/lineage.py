"""Which notes the ancestors of a model or corpus have read, and how (docs/method.md, section 1).

Every output folder below data/ carries a lineage.json. A model's weights and tokenizer read notes by `gradient`
or `vocabulary`; what reaches it only through other models' output is `generator` (text sampled from a model that
read those notes), `tags` (labels of a model that read them), `prompts` (words in a prompt) or `selection` (early
stopping, filters, gates). A corpus holds notes: `content`; or `quoted` words of them, such as a prompt that stays in
the text.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from stages.runtime.outputs import read_json, write_json

FILE = "lineage.json"
Origin = Literal["public", "invented", "real", "rewritten-real"]
How = Literal["content", "quoted", "gradient", "vocabulary", "generator", "tags", "prompts", "selection"]
# Reads that put notes into weights or a vocabulary, and those that put them into a text: they bar the release of what
# real notes were read for.
DIRECT: tuple[How, ...] = ("gradient", "vocabulary")
HELD: tuple[How, ...] = ("content", "quoted")


class Read(NamedTuple):
    """One set of notes and how it was read."""

    notes: str
    origin: Origin
    how: How


def write(folder: str | Path, reads: Iterable[Read]) -> None:
    """Write the record of `folder`, sorted and without repeats."""
    write_json(Path(folder) / FILE, [read._asdict() for read in sorted(set(reads))])


def read(folder: str | Path, otherwise: Iterable[Read] | None = None) -> set[Read]:
    """The record of a model or corpus folder, or `otherwise` for a folder without one, which users provide."""
    if otherwise is not None and not (Path(folder) / FILE).is_file():
        return set(otherwise)
    return {Read(**entry) for entry in read_json(Path(folder) / FILE)}


def trained_on(corpus: Iterable[Read]) -> set[Read]:
    """What a model reads by training on a corpus: what it holds by gradient, its indirect reads as they are."""
    return {entry._replace(how="gradient") if entry.how in HELD else entry for entry in corpus}


def through(model: Iterable[Read], how: How) -> set[Read]:
    """What a corpus inherits from a model that wrote it (`generator`), tagged it (`tags`) or filtered it."""
    return {entry._replace(how=how) if entry.how in DIRECT else entry for entry in model}


def as_read(corpus: Iterable[Read], how: How) -> set[Read]:
    """What is inherited from a corpus whose notes were only looked at, as `prompts` or for `selection`."""
    return {entry._replace(how=how) if entry.how in HELD else entry for entry in corpus}


def bars_release(reads: Iterable[Read]) -> set[Read]:
    """The reads of real or rewritten notes that forbid a release: by weights, by a vocabulary or in a text."""
    return {entry for entry in reads if entry.how in DIRECT + HELD and entry.origin in ("real", "rewritten-real")}
