"""Give every note one role, by group: train, prompts, select, audit or test. DVC stage corpora_split."""

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from stages.shared import draws, lineage, ngrams, notes, outputs, params
from stages.shared.console import say
from stages.shared.errors import UserError, run
from stages.shared.lineage import Read
from stages.shared.notes import Note
from stages.shared.params import Section

ROLES = ("train", "prompts", "select", "audit", "test")
# Roles cut from what is not tested on, in this order; the rest is train.
_HELD = ("audit", "select", "prompts")
Share = Annotated[float, Field(ge=0, lt=1)]


class NearDuplicates(Section):
    """When two notes of different groups are one text."""

    words: Annotated[int, Field(ge=2)]
    share: Annotated[float, Field(gt=0, le=1)]
    common: Annotated[int, Field(ge=2)]


class Params(Section):
    """Section `corpora.split`."""

    seed: int
    folds: Annotated[int, Field(ge=2)]
    balance: Literal["words", "notes"]
    prompts: Share
    select: Annotated[float, Field(gt=0, lt=1)]
    audit: Share
    near_duplicates: NearDuplicates

    @model_validator(mode="after")
    def _leaves_training_notes(self) -> "Params":
        if self.prompts + self.select + self.audit >= 1:
            raise ValueError("prompts + select + audit must be below 1: the rest is train")
        return self


@dataclass(frozen=True, slots=True)
class Entry:
    """What a split must know of a note."""

    note_id: str
    group_id: str
    split: str | None
    words: int
    spans: int


def survey(source: Iterable[Note], settings: NearDuplicates) -> tuple[list[Entry], int]:
    """Every note's entry, and the number of pairs of near-duplicates between groups.

    Groups that share a near-duplicate become one, under their first name in alphabetical order. Two notes are
    near-duplicates if their words are the same, or if `share` of the shorter one's n-grams stand in the other;
    n-grams of more than `common` notes are boilerplate and do not count as shared. Memory: 12 bytes a word.
    """
    entries: list[Entry] = []
    grams: list[np.ndarray] = []
    wholes: dict[int, int] = {}
    pairs: set[tuple[int, int]] = set()
    for number, note in enumerate(source):
        entries.append(
            Entry(note.note_id, note.group_id, note.split, notes.words(note.text), len(note.spans))
        )
        hashes = ngrams.word_hashes(note.text)
        grams.append(np.unique(ngrams.ngrams(hashes, settings.words)))
        if len(hashes):
            first = wholes.setdefault(ngrams.whole(hashes), number)
            if entries[first].group_id != note.group_id:
                pairs.add((first, number))
    shared = _shared(grams, [entry.group_id for entry in entries], settings.common)
    for (one, other), count in shared.items():
        if count >= settings.share * min(len(grams[one]), len(grams[other])):
            pairs.add((one, other))
    name = _merged((entries[one].group_id, entries[other].group_id) for one, other in sorted(pairs))
    return [replace(entry, group_id=name.get(entry.group_id, entry.group_id)) for entry in entries], len(
        pairs
    )


def roles(entries: list[Entry], fold: int, settings: Params) -> dict[str, str]:
    """The role of every note id. Raises UserError for a fold that is not there and for a role without notes.

    Where notes have the official split `test`, they are fold 0's test part and keep it whatever their group;
    else each of `folds` parts of whole groups is the test part once.
    """
    official = any(entry.split == "test" for entry in entries)
    if fold not in range(1 if official else settings.folds):
        has = "an official split, which is fold 0" if official else f"folds 0 to {settings.folds - 1}"
        raise UserError(f"params.yaml: grid.folds: there is no fold {fold}; this corpus has {has}")
    if official:
        tested = {entry.note_id for entry in entries if entry.split == "test"}
    else:
        groups = _fold(_weights(entries, settings.balance), fold, settings)
        tested = {entry.note_id for entry in entries if entry.group_id in groups}
    rest = [entry for entry in entries if entry.note_id not in tested]
    places = draws.positions(_weights(rest, settings.balance), "roles", settings.seed, fold)
    found = {note_id: "test" for note_id in tested}
    for entry in rest:
        found[entry.note_id] = _held(places[entry.group_id], settings)
    _require(Counter(found.values()), settings)
    return found


def report(entries: list[Entry], role: dict[str, str], near_duplicates: int) -> dict[str, object]:
    """Counts by role, and test notes whose group stands in another role too (official splits only)."""
    counts = {
        name: {
            "notes": len(chosen),
            "groups": len({entry.group_id for entry in chosen}),
            "words": sum(entry.words for entry in chosen),
            "spans": sum(entry.spans for entry in chosen),
        }
        for name in ROLES
        for chosen in [[entry for entry in entries if role[entry.note_id] == name]]
    }
    groups = {name: {e.group_id for e in entries if role[e.note_id] == name} for name in ROLES}
    leaked = {
        name: sum(role[e.note_id] == "test" and e.group_id in groups[name] for e in entries)
        for name in ROLES
        if name != "test"
    }
    return {"roles": counts, "near_duplicate_pairs": near_duplicates, "test_notes_with_group_in": leaked}


def write(source: str, entries: list[Entry], role: dict[str, str], name: str, out: str) -> None:
    """Write a note table per role below `out`, with the groups of `entries`; `name` is "<corpus>/<fold>"."""
    group = {entry.note_id: entry.group_id for entry in entries}
    with outputs.building(out) as partial:
        for wanted in ROLES:
            chosen = (
                replace(note, group_id=group[note.note_id])
                for note in notes.read(source)
                if role[note.note_id] == wanted
            )
            count = notes.write(partial / wanted, chosen)
            lineage.write(partial / wanted, [Read(f"{name}/{wanted}", "real", "content")] if count else [])


def main() -> None:
    """The stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", required=True, help="folder of the corpus's note table")
    parser.add_argument("--corpus", required=True, help="name of the corpus, for the lineage")
    parser.add_argument(
        "--fold", required=True, type=int, help="which fold is the test part; 0 for an official split"
    )
    parser.add_argument("--out", required=True, help="folder to write, with one folder per role")
    parser.add_argument("--report", required=True, help="JSON file of counts per role")
    arguments = parser.parse_args()
    settings = params.load(Params, "corpora.split")
    entries, near_duplicates = survey(notes.read(arguments.notes), settings.near_duplicates)
    role = roles(entries, arguments.fold, settings)
    write(arguments.notes, entries, role, f"{arguments.corpus}/{arguments.fold}", arguments.out)
    counts = report(entries, role, near_duplicates)
    outputs.write_json(arguments.report, counts)
    say(", ".join(f"{name} {counts['roles'][name]['notes']}" for name in ROLES) + " notes")


def _shared(grams: list[np.ndarray], groups: list[str], common: int) -> Counter[tuple[int, int]]:
    """How many n-grams each pair of notes of different groups shares."""
    values = np.concatenate(grams) if grams else np.empty(0, dtype=np.uint64)
    owners = np.repeat(np.arange(len(grams), dtype=np.int32), [len(part) for part in grams])
    sorting = np.argsort(values, kind="stable")
    values, owners = values[sorting], owners[sorting]
    edges = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1], [True]))) if len(values) else []
    shared: Counter[tuple[int, int]] = Counter()
    sizes = np.diff(edges)
    for start, size in zip(edges[:-1][sizes > 1], sizes[sizes > 1], strict=True) if len(edges) else ():
        if size <= common:
            for one, other in combinations(owners[start : start + size].tolist(), 2):
                if groups[one] != groups[other]:
                    shared[one, other] += 1
    return shared


def _merged(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The common name of every group that is in a pair: the first of all it is linked with."""
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        parent.setdefault(group, group)
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    for one, other in pairs:
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    return {group: root(group) for group in list(parent)}


def _weights(entries: Iterable[Entry], balance: str) -> Counter[str]:
    weights: Counter[str] = Counter()
    for entry in entries:
        weights[entry.group_id] += entry.words if balance == "words" else 1
    return weights


def _fold(weights: Counter[str], fold: int, settings: Params) -> set[str]:
    """The groups of one fold: in a drawn order, each goes to the fold that is lightest so far."""
    filled = [0] * settings.folds
    chosen = set()
    for group in draws.order(weights, "folds", settings.seed):
        lightest = min(range(settings.folds), key=lambda number: (filled[number], number))
        filled[lightest] += max(1, weights[group])
        if lightest == fold:
            chosen.add(group)
    return chosen


def _held(place: float, settings: Params) -> str:
    edge = 0.0
    for name in _HELD:
        edge += getattr(settings, name)
        if place < edge:
            return name
    return "train"


def _require(counts: Counter[str], settings: Params) -> None:
    for name in ROLES:
        wanted = name in ("train", "test") or getattr(settings, name) > 0
        if wanted and not counts[name]:
            key = "folds" if name == "test" else "prompts, select and audit" if name == "train" else name
            change = "lower" if name in ("train", "test") else "raise"
            raise UserError(
                f"params.yaml: corpora.split: no note is left for the role {name}: the corpus has too few groups, "
                f"or too large ones; {change} {key}, or check the corpus's group_pattern"
            )


if __name__ == "__main__":
    run(main)
