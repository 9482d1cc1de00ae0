"""Hand the real arm all training notes, and annotator and generator their shares of them. DVC stage corpora_share.

Shares are nested ladders: with one seed, the groups of a smaller share are among those of a larger one. A disjoint
generator's ladder is drawn from the other end of the same order.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from random import Random
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, RootModel, model_validator

from stages.shared import draws, lineage, notes, outputs, params
from stages.shared.errors import UserError, run
from stages.shared.lineage import Read
from stages.shared.notes import Note, Span
from stages.shared.params import Section
from stages.shared.tags import words


class Params(Section):
    """Section `corpora.share`."""

    annotator: Annotated[float, Field(gt=0, le=1)]
    generator: Annotated[float, Field(ge=0, le=1)]
    overlap: Literal["shared", "disjoint"]
    balance: Literal["words", "notes"]
    shuffle_tags: bool
    tagger: Literal["real", "annotator", "ensemble", "selftrained"]

    @model_validator(mode="after")
    def _fits(self) -> "Params":
        if self.overlap == "disjoint" and self.annotator + self.generator > 1 + 1e-9:
            raise ValueError("overlap: disjoint needs annotator + generator <= 1")
        if self.tagger == "real" and self.annotator < 1:
            raise ValueError(
                f"annotator is {self.annotator:g}, yet tagger is real, which learns from all training notes; set "
                "tagger: annotator, and put annotator among grid.arms"
            )
        return self


# Annotators of stages of their own, and which key of grid lists their corpora.
_LISTED = {"ensemble": "ensembled", "selftrained": "selftrained"}


class Names(RootModel[list[str]]):
    """A list of grid."""


class Groups(NamedTuple):
    """Whose notes the annotator and the generator read."""

    annotator: set[str]
    generator: set[str]


def draw(weights: Counter[str], seed: int, settings: Params) -> Groups:
    """The groups of both shares; a share above 0 gets one group at least.

    Raises UserError where disjoint shares cannot be had: too few groups.
    """
    places = draws.positions(weights, "share", seed)
    ordered = list(places)
    annotator = {group for group in ordered if places[group] < settings.annotator} | set(ordered[:1])
    if settings.overlap == "shared":
        generator = {group for group in ordered if places[group] < settings.generator}
        first = ordered[:1]
    else:
        # No group in both where the two shares meet.
        start = max(1 - settings.generator, settings.annotator)
        generator = {group for group in ordered if places[group] >= start}
        first = ordered[-1:]
    if settings.generator > 0:
        generator |= set(first)
    if settings.overlap == "disjoint" and annotator & generator:
        raise UserError(
            f"params.yaml: corpora.share: {len(ordered)} groups of training notes are too few for disjoint shares; "
            "use overlap: shared, or a finer group_pattern"
        )
    return Groups(annotator, generator)


def shuffled(note: Note, labels: list[str], seed: int) -> Note:
    """The control that must fail: as many tags, on random single words and with random labels."""
    rng = Random(f"{seed}/{note.note_id}")
    edges = words(note.text)
    chosen = sorted(rng.sample(edges, min(len(note.spans), len(edges))))
    spans = tuple(Span(start, end, rng.choice(labels)) for start, end in chosen)
    return replace(note, spans=spans, provenance=note.provenance | {"tags": "shuffled"})


def main() -> None:
    """The stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", required=True, help="folder of the training notes")
    parser.add_argument("--seed", required=True, type=int, help="seed of this replicate: draws the shares")
    parser.add_argument("--real", required=True, help="folder to write: all training notes")
    parser.add_argument("--annotator", required=True, help="folder to write: the annotator's share")
    parser.add_argument("--generator", required=True, help="folder to write: the generator's share")
    arguments = parser.parse_args()
    settings = params.load(Params, "corpora.share")
    arms = params.load(Names, "grid.arms").root
    listed = {tagger: params.load(Names, f"grid.{key}").root for tagger, key in _LISTED.items()}
    name = next(read.notes for read in lineage.read(arguments.train) if read.how == "content")
    corpus = name.partition("/")[0]
    if settings.tagger not in [*arms, *(tagger for tagger, corpora in listed.items() if corpus in corpora)]:
        key = _LISTED.get(settings.tagger)
        where = f"grid.{key} lacks {corpus}" if key else "it is not among grid.arms"
        raise UserError(f"params.yaml: corpora.share.tagger is {settings.tagger}, yet {where}")
    weights: Counter[str] = Counter()
    labels: set[str] = set()
    for note in notes.read(arguments.train):
        weights[note.group_id] += notes.words(note.text) if settings.balance == "words" else 1
        labels.update(span.label for span in note.spans)
    groups = draw(weights, arguments.seed, settings)

    def tags(note: Note) -> Note:
        return shuffled(note, sorted(labels), arguments.seed) if settings.shuffle_tags else note

    def as_is(note: Note) -> Note:
        return note

    side = "" if settings.overlap == "shared" else "last-"
    _write(arguments.real, arguments.train, name, set(weights), tags)
    _write(arguments.annotator, arguments.train, f"{name}@{settings.annotator:g}", groups.annotator, tags)
    _write(
        arguments.generator, arguments.train, f"{name}@{side}{settings.generator:g}", groups.generator, as_is
    )


def _write(out: str, train: str, name: str, groups: set[str], change: Callable[[Note], Note]) -> None:
    with outputs.building(out) as partial:
        notes.write(partial, (change(note) for note in _of(notes.read(train), groups)))
        lineage.write(partial, [Read(name, "real", "content")] if groups else [])


def _of(source: Iterable[Note], groups: set[str]) -> Iterator[Note]:
    return (note for note in source if note.group_id in groups)


if __name__ == "__main__":
    run(main)
