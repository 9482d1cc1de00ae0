"""Policies: what each choice keeps, and that it is counted."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stages.corpora.readers.base import RawNote, RawSpan, TaggedSettings
from stages.corpora.resolve import Resolver

TEXT = "0123456789 ab cd ef"


def resolve(*spans: RawSpan, **policies: Any) -> tuple[list[tuple[int, int, str]], Counter[str], Counter[str]]:
    """(start, end, label) of what is kept of `spans`, counts by setting, and dropped spans by raw label."""
    counts: Counter[str] = Counter()
    resolver = Resolver(TaggedSettings(format="brat", path=".", **policies), ["A", "B"], counts)
    kept = resolver.spans(RawNote("n", TEXT, Path("n.txt"), spans=spans))
    return [(span.start, span.end, span.label) for span in kept], counts, resolver.dropped_labels


def tag(start: int, end: int, label: str = "A") -> RawSpan:
    """A span in one piece."""
    return RawSpan(((start, end),), label)


@pytest.mark.parametrize(
    ("spans", "longest", "first"),
    [
        ([tag(0, 4), tag(2, 8, "B")], [(2, 8, "B")], [(0, 4, "A")]),
        ([tag(0, 2), tag(0, 5, "B")], [(0, 5, "B")], [(0, 5, "B")]),
        # A chain: the longest in the middle takes both neighbours with it, the first spares the last.
        ([tag(0, 3), tag(2, 7, "B"), tag(6, 9)], [(2, 7, "B")], [(0, 3, "A"), (6, 9, "A")]),
        ([tag(0, 6), tag(8, 13), tag(4, 7, "B")], [(0, 6, "A"), (8, 13, "A")], [(0, 6, "A"), (8, 13, "A")]),
        ([tag(0, 3, "B"), tag(0, 3, "A")], [(0, 3, "A")], [(0, 3, "A")]),
        ([tag(5, 7), tag(0, 5)], [(0, 5, "A"), (5, 7, "A")], [(0, 5, "A"), (5, 7, "A")]),
    ],
    ids=["partial", "nested", "chain", "over the first of two", "same place", "touching is no overlap"],
)
def test_overlaps_by_policy_whatever_the_order(spans: list[RawSpan], longest: list, first: list) -> None:
    for order in (spans, spans[::-1]):
        for policy, expected in (("keep_longest", longest), ("keep_first", first)):
            kept, counts, _ = resolve(*order, overlapping=policy)
            assert kept == expected
            assert counts["overlapping"] == len(spans) - len(expected)


@pytest.mark.parametrize(
    ("policy", "expected"), [("hull", [(0, 13, "A")]), ("fragments", [(0, 2, "A"), (4, 13, "A")]), ("drop", [])]
)
def test_discontinuous_spans_by_policy(policy: str, expected: list[tuple[int, int, str]]) -> None:
    # Two pieces with text between them, the second one broken by white space only.
    kept, counts, _ = resolve(RawSpan(((0, 2), (4, 10), (11, 13)), "A"), discontinuous=policy)
    assert kept == expected
    assert counts["discontinuous"] == 1


def test_edges_are_trimmed_and_counted() -> None:
    kept, counts, _ = resolve(tag(10, 14), tag(14, 16, "B"), spaced_edges="trim")
    assert kept == [(11, 13, "A"), (14, 16, "B")]
    assert counts["spaced_edges"] == 1


def test_invalid_offsets_are_dropped_and_counted() -> None:
    wrong = RawSpan(((0, 2),), "A", surface="12")
    kept, counts, _ = resolve(tag(4, 4), tag(18, 20), tag(10, 11), wrong, tag(0, 2), invalid_offsets="drop")
    assert kept == [(0, 2, "A")]
    assert counts["invalid_offsets"] == 4


def test_labels_are_renamed_or_dropped_before_anything_else() -> None:
    kept, _, dropped = resolve(tag(0, 4, "x"), tag(2, 99, "y"), tag(5, 6, "B"), rename={"x": "A", "y": None})
    assert kept == [(0, 4, "A"), (5, 6, "B")]
    assert dropped == {"y": 1}


def test_a_label_can_be_renamed_or_dropped_though_the_corpus_has_it():
    kept, _, dropped = resolve(tag(0, 4, "A"), tag(5, 6, "B"), rename={"A": "B", "B": None})
    assert kept == [(0, 4, "B")]
    assert dropped == {"B": 1}
