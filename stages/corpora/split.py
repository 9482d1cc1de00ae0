"""Give every note one role, by group: train, prompts, select, audit or test (DVC stage `corpora_split`)."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from stages.corpora import near_duplicates
from stages.corpora.near_duplicates import NearDuplicates
from stages.notes import draws, note_table
from stages.notes.note_table import Note, NoteTable
from stages.runtime import lineage, outputs
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.params import Section, Share
from stages.runtime.stage import OutFile, Output, stage

ROLES = ("train", "prompts", "select", "audit", "test")
# Roles whose shares are cut, in this order, from the notes that are not tested on; the rest is train.
_HELD_OUT = ("audit", "select", "prompts")


class Split(Section):
    """Which notes are tested on, trained on and held out for what. Groups are never torn apart."""

    at: ClassVar[str] = "corpora.split"

    seed: int
    """Seed of the folds and of the draw of roles."""
    folds: int = Field(ge=2)
    """Number of folds of a corpus without an official split: parts of whole groups, each tested on once."""
    balance: Literal["words", "notes"] = "words"
    """What the sizes of folds and shares are measured in."""
    prompts: Share
    """Share of the notes not tested on whose first words prompt the generator; 0 if prompts are not from notes."""
    select: float = Field(gt=0, lt=1)
    """Share for early stopping, thresholds and every other choice."""
    audit: Share
    """Share that only the privacy audit reads: non-members for its membership test."""
    near_duplicates: NearDuplicates = NearDuplicates()
    """When notes of different groups count as one text."""

    @model_validator(mode="after")
    def _leaves_training_notes(self) -> Self:
        if self.prompts + self.select + self.audit >= 1:
            raise ValueError("prompts + select + audit must be below 1: the rest is train")
        return self


@stage("corpora.split")
def split(
    corpus: str,
    fold: int,
    notes: NoteTable,
    out: Annotated[Path, Output(folder=True, lineage=False)],
    report: OutFile,
    settings: Split,
) -> str:
    """Give every note one role, by group.

    fold: number of the fold that is tested on; 0 for an official split.
    notes: the notes of the corpus.
    out: one note table, with lineage, in a folder per role.
    report: counts by role.
    """
    pairs = near_duplicates.paired_groups(note_table.read(notes), settings.near_duplicates)
    names = near_duplicates.common_names(pairs)

    def renamed() -> Iterator[Note]:
        return (replace(note, group_id=names.get(note.group_id, note.group_id)) for note in note_table.read(notes))

    entries = [
        Entry(note.note_id, note.group_id, note.split, note_table.count_words(note.text), len(note.spans))
        for note in renamed()
    ]
    role = roles(entries, fold, settings)
    for name in ROLES:
        count = note_table.write(out / name, (note for note in renamed() if role[note.note_id] == name))
        lineage.write(out / name, [Read(f"{corpus}/{fold}/{name}", "real", "content")] if count else [])
    outputs.write_json(report, describe(entries, role, len(pairs)))
    sizes = Counter(role.values())
    return ", ".join(f"{name} {sizes[name]}" for name in ROLES) + " notes"


class Entry(NamedTuple):
    """What a split must know of a note."""

    note_id: str
    group_id: str
    split: str | None
    words: int
    spans: int


def roles(entries: list[Entry], fold: int, settings: Split) -> dict[str, str]:
    """The role of every note id.

    Notes with the official split `test` are the test part of fold 0, whatever their group. Without an official
    split, each of `folds` parts of whole groups is the test part of one fold. Raises UserError for a fold that does
    not exist and for a role without notes.
    """
    official = any(entry.split == "test" for entry in entries)
    if fold not in range(1 if official else settings.folds):
        known = "an official split, which is fold 0" if official else f"folds 0 to {settings.folds - 1}"
        raise UserError(f"params.yaml: grid.folds: there is no fold {fold}; this corpus has {known}")
    if official:
        tested = {entry.note_id for entry in entries if entry.split == "test"}
    else:
        groups = _fold(_weights(entries, settings.balance), fold, settings)
        tested = {entry.note_id for entry in entries if entry.group_id in groups}
    rest = [entry for entry in entries if entry.note_id not in tested]
    places = draws.positions(_weights(rest, settings.balance), "roles", settings.seed, fold)
    role = dict.fromkeys(tested, "test")
    ends = dict(zip(_HELD_OUT, accumulate(getattr(settings, name) for name in _HELD_OUT), strict=True))
    for entry in rest:
        role[entry.note_id] = next((name for name, end in ends.items() if places[entry.group_id] < end), "train")
    for name in ROLES:
        wanted = name in ("train", "test") or getattr(settings, name) > 0
        if wanted and name not in role.values():
            change = {"test": "lower folds", "train": "lower prompts, select and audit"}.get(name, f"raise {name}")
            raise UserError(
                f"params.yaml: corpora.split: no note is left for the role {name}: the corpus has too few groups, "
                f"or too large ones; {change}, or check the corpus's group_pattern"
            )
    return role


def describe(entries: list[Entry], role: dict[str, str], near_duplicate_pairs: int) -> dict[str, object]:
    """Counts by role, and by role the test notes whose group it also has (official splits only)."""
    by_role = {name: [entry for entry in entries if role[entry.note_id] == name] for name in ROLES}
    groups = {name: {entry.group_id for entry in chosen} for name, chosen in by_role.items()}
    return {
        "roles": {
            name: {
                "notes": len(chosen),
                "groups": len(groups[name]),
                "words": sum(entry.words for entry in chosen),
                "spans": sum(entry.spans for entry in chosen),
            }
            for name, chosen in by_role.items()
        },
        "near_duplicate_pairs": near_duplicate_pairs,
        "test_notes_with_group_in": {
            name: sum(entry.group_id in groups[name] for entry in by_role["test"]) for name in ROLES if name != "test"
        },
    }


def _weights(entries: Iterable[Entry], balance: str) -> Counter[str]:
    weights: Counter[str] = Counter()
    for entry in entries:
        weights[entry.group_id] += entry.words if balance == "words" else 1
    return weights


def _fold(weights: Counter[str], fold: int, settings: Split) -> set[str]:
    """The groups of one fold: in a drawn order, each group goes to the fold that is lightest so far."""
    filled = [0] * settings.folds
    chosen = set()
    for group in draws.order(weights, "folds", settings.seed):
        lightest = min(range(settings.folds), key=lambda number: (filled[number], number))
        filled[lightest] += max(1, weights[group])
        if lightest == fold:
            chosen.add(group)
    return chosen


if __name__ == "__main__":
    split.main()
