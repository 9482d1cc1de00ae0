"""Notes of different groups that are one text, which a split must not tear apart."""

from collections.abc import Iterable

import networkx
import numpy as np
import polars as pl
from pydantic import Field

from stages.notes import ngrams
from stages.notes.note_table import Note
from stages.runtime.params import Section


class NearDuplicates(Section):
    """When two notes of different groups count as one text, so that their groups become one."""

    words: int = Field(default=13, ge=2)
    """Length of the word n-grams that are compared."""
    share: float = Field(default=0.3, gt=0, le=1)
    """Share of the shorter note's n-grams that must also be in the other note."""
    common: int = Field(default=20, ge=2)
    """N-grams in more notes than this are boilerplate, and ignored."""


def paired_groups(notes: Iterable[Note], settings: NearDuplicates) -> list[tuple[str, str]]:
    """The two groups of every pair of near-duplicates, in the order of the notes.

    Two notes of different groups are near-duplicates if their words are the same, or if `share` of the shorter one's
    n-grams are in the other. Memory: 12 bytes a word, and a few times as much for n-grams of several notes.
    """
    groups: list[str] = []
    grams = []
    first_with: dict[int, int] = {}
    pairs = set()
    for number, note in enumerate(notes):
        groups.append(note.group_id)
        hashes = ngrams.word_hashes(note.text)
        grams.append(np.unique(ngrams.ngrams(hashes, settings.words)))
        if len(hashes):
            first = first_with.setdefault(ngrams.whole(hashes), number)
            if groups[first] != note.group_id:
                pairs.add((first, number))
    # Of the n-grams in several notes, but not in too many: the pairs of notes of different groups that have them.
    owners = np.repeat(np.arange(len(grams), dtype=np.int32), [len(each) for each in grams])
    table = pl.DataFrame({"gram": np.concatenate([np.empty(0, dtype=np.uint64), *grams]), "note": owners})
    table = table.filter(pl.len().over("gram").is_between(2, settings.common))
    table = table.with_columns(group=pl.Series(groups, dtype=pl.Categorical).gather(table["note"]))
    apart = (pl.col("note") < pl.col("note_right")) & (pl.col("group") != pl.col("group_right"))
    shared = table.lazy().join(table.lazy(), on="gram").filter(apart).group_by("note", "note_right").len()
    for one, other, count in shared.collect(engine="streaming").iter_rows():
        if count >= settings.share * min(len(grams[one]), len(grams[other])):
            pairs.add((one, other))
    return [(groups[one], groups[other]) for one, other in sorted(pairs)]


def common_names(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The common name of every group in a pair: alphabetically the first of all groups that it is linked to."""
    named = ((min(linked), linked) for linked in networkx.connected_components(networkx.Graph(pairs)))
    return {group: name for name, linked in named for group in linked}
