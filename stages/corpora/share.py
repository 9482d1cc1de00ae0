"""Give the real arm all training notes, and the annotator and the generator a share each (DVC stage `corpora_share`).

Shares are nested: with one seed, the groups of a smaller share are among those of a larger one. A disjoint
generator's share is drawn from the other end of the same order.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from stages.notes import draws, note_table
from stages.notes.note_table import Note, NoteTable, Span
from stages.notes.tags import word_offsets
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.params import Root, Section
from stages.runtime.stage import OutFolder, stage


class Share(Section):
    """How many of the training notes the annotator and the generator read: the data-constrained axes of the paper."""

    at: ClassVar[str] = "corpora.share"

    annotator: float = Field(gt=0, le=1)
    """Share of the training notes whose tags the annotator is trained on."""
    generator: float = Field(ge=0, le=1)
    """Share of the training notes that the generator is adapted to; 0 leaves the base model unadapted."""
    overlap: Literal["shared", "disjoint"] = "shared"
    """`shared`: both shares are drawn from one order, so the smaller is inside the larger. `disjoint`: from opposite
    ends of the order, so that no group is in both."""
    balance: Literal["words", "notes"] = "words"
    """What shares are measured in."""
    shuffle_tags: bool = False
    """Negative control: the real arm's and the annotator's tags are moved to random words and get random labels."""
    tagger: Literal["real", "annotator", "ensemble", "selftrained"]
    """Which NER model tags the invented notes. `annotator` is trained on the annotator's share and must be among
    `grid.arms`. `real` saves a training where that share is everything. `ensemble` is several annotators that vote,
    for the corpora of `grid.ensembled`. `selftrained` is also trained on invented notes, for those of
    `grid.selftrained`."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.overlap == "disjoint" and self.annotator + self.generator > 1 + 1e-9:
            raise ValueError("overlap: disjoint needs annotator + generator <= 1")
        if self.tagger == "real" and self.annotator < 1:
            raise ValueError(
                f"annotator is {self.annotator:g}, but tagger is real, which is trained on all training notes; set "
                "tagger: annotator, and add annotator to grid.arms"
            )
        return self


class Arms(Root[list[str]]):
    """The NER models that are trained and compared."""

    at: ClassVar[str] = "grid.arms"


class Ensembled(Root[list[str]]):
    """The corpora with an ensemble of annotators."""

    at: ClassVar[str] = "grid.ensembled"


class Selftrained(Root[list[str]]):
    """The corpora with a self-trained annotator."""

    at: ClassVar[str] = "grid.selftrained"


class Groups(NamedTuple):
    """The groups whose notes the annotator and the generator read."""

    annotator: set[str]
    generator: set[str]


@stage("corpora.share")
def share(
    corpus: str,
    fold: int,
    seed: int,
    train: NoteTable,
    real: OutFolder,
    annotator: OutFolder,
    generator: OutFolder,
    settings: Share,
    arms: Arms,
    ensembled: Ensembled,
    selftrained: Selftrained,
) -> str:
    """Give the real arm all training notes, and the annotator and the generator a share each.

    seed: seed of the replicate, which draws the shares.
    train: the training notes.
    real: all training notes.
    annotator: the annotator's share.
    generator: the generator's share.
    """
    by_corpus = {"ensemble": ("ensembled", ensembled.root), "selftrained": ("selftrained", selftrained.root)}
    key, trained = by_corpus.get(settings.tagger, ("arms", arms.root))
    needed = corpus if settings.tagger in by_corpus else settings.tagger
    if needed not in trained:
        raise UserError(f"params.yaml: corpora.share.tagger is {settings.tagger}, but grid.{key} lacks {needed}")
    weights: Counter[str] = Counter()
    labels: set[str] = set()
    for note in note_table.read(train):
        weights[note.group_id] += note_table.count_words(note.text) if settings.balance == "words" else 1
        labels.update(span.label for span in note.spans)
    groups = draw(weights, seed, settings)

    def write(out: Path, share: str, chosen: Collection[str], tagged: bool = True) -> int:
        notes: Iterable[Note] = (note for note in note_table.read(train) if note.group_id in chosen)
        if tagged and settings.shuffle_tags:
            notes = (shuffled(note, sorted(labels), seed) for note in notes)
        count = note_table.write(out, notes)
        lineage.write(out, [Read(f"{corpus}/{fold}/train{share}", "real", "content")] if count else [])
        return count

    end = "" if settings.overlap == "shared" else "last-"
    count = write(real, "", weights)
    tagged = write(annotator, f"@{settings.annotator:g}", groups.annotator)
    untagged = write(generator, f"@{end}{settings.generator:g}", groups.generator, tagged=False)
    return f"{count} training notes, {tagged} of them for the annotator and {untagged} for the generator"


def draw(weights: Mapping[str, int], seed: int, settings: Share) -> Groups:
    """Draw the groups of both shares; a share above 0 gets at least one group.

    Raises UserError if there are too few groups for disjoint shares.
    """
    places = draws.positions(weights, "share", seed)
    ordered = list(places)
    annotator = {group for group in ordered if places[group] < settings.annotator} | set(ordered[:1])
    shared = settings.overlap == "shared"
    # Where disjoint shares meet, no group is in both.
    start, end = (0, settings.generator) if shared else (max(1 - settings.generator, settings.annotator), 1)
    generator = {group for group in ordered if start <= places[group] < end}
    if settings.generator > 0:
        generator |= set(ordered[:1] if shared else ordered[-1:])
    if settings.overlap == "disjoint" and annotator & generator:
        raise UserError(
            f"params.yaml: corpora.share: {len(ordered)} groups of training notes are too few for disjoint shares; "
            "use overlap: shared, or a finer group_pattern"
        )
    return Groups(annotator, generator)


def shuffled(note: Note, labels: list[str], seed: int) -> Note:
    """The negative control: as many tags, but on random single words and with random labels."""
    rng = Random(f"{seed}/{note.note_id}")
    edges = word_offsets(note.text)
    chosen = sorted(rng.sample(edges, min(len(note.spans), len(edges))))
    spans = tuple(Span(start, end, rng.choice(labels)) for start, end in chosen)
    return replace(note, spans=spans, provenance=note.provenance | {"tags": "shuffled"})


if __name__ == "__main__":
    share.main()
