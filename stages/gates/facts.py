"""Facts tables: what a quality gate sees of notes and tags, which is counts, flags and scores, and never text.

A flag is null where it would only repeat the failure of another: a span outside its note has no edges to check.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import polars as pl

from stages.notes.note_table import Note
from stages.notes.tags import word_offsets

NOTE = {
    "note_id": pl.String,
    "group_id": pl.String,
    "split": pl.String,
    "words": pl.Int64,  # as `tags.word_offsets` counts them
    "spans": pl.Int64,
    "has_pii": pl.Boolean,
}
SPAN = {
    "note_id": pl.String,
    "split": pl.String,
    "label": pl.String,
    "score": pl.Float64,
    "inside": pl.Boolean,  # the offsets are in order and inside the text
    "apart": pl.Boolean,  # it begins where, or after, every earlier span of its note ends; null if not inside
    "tight": pl.Boolean,  # neither the first nor the last character is white space; null if not inside
    "whole_words": pl.Boolean,  # both edges are word edges; null if not tight
    "well_formed": pl.Boolean,  # the surface has the format of its label; null if not tight, or without a format
}
# The label is the one that the surface is given most often.
PLACE = {"note_id": pl.String, "label": pl.String, "tagged": pl.Boolean}


def tables(
    notes: Iterable[Note],
    formats: Mapping[str, str],
    more: Callable[[Note, list[tuple[int, int]]], Mapping[str, Any]] = lambda note, edges: {},
    more_schema: Mapping[str, Any] | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a table with one row per note and a table with one row per span.

    `formats` has by label a regular expression for whole surfaces. `more` gets a note and the offsets of its words,
    and returns the columns of `more_schema` for its row. Notes are streamed; memory holds only the rows.
    """
    patterns = {label: re.compile(pattern) for label, pattern in formats.items()}
    note_rows: list[dict[str, Any]] = []
    span_rows: list[dict[str, Any]] = []
    for note in notes:
        edges = word_offsets(note.text)
        row = {"note_id": note.note_id, "group_id": note.group_id, "split": note.split}
        counts = {"words": len(edges), "spans": len(note.spans), "has_pii": bool(note.spans)}
        note_rows.append({**row, **counts, **more(note, edges)})
        span_rows.extend(_spans(note, edges, patterns))
    return pl.DataFrame(note_rows, schema={**NOTE, **(more_schema or {})}), pl.DataFrame(span_rows, schema=SPAN)


def labels(spans: pl.DataFrame) -> pl.DataFrame:
    """Return a table with one row per label of a span table: `spans`, their number, and `in_training`.

    `in_training` says whether any of them is outside the official test part; null if there is no official split.
    """
    official = pl.lit((spans["split"] == "test").any())
    by_label = spans.group_by("label").agg(
        spans=pl.len().cast(pl.Int64), in_training=pl.col("split").ne_missing("test").any()
    )
    return by_label.sort("label").with_columns(in_training=pl.when(official).then("in_training"))


def places(read: Callable[[], Iterable[Note]], least_characters: int) -> pl.DataFrame:
    """Return a table with one row per occurrence of a surface that is tagged somewhere in the notes.

    `tagged` says whether it is tagged here, with any label. Surfaces are matched as runs of whole words,
    case-sensitively; those with fewer than `least_characters` are left out. `read` is called twice. Memory holds the
    distinct surfaces and the rows.
    """
    surfaces: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    rows: list[tuple[str, str, bool]] = []
    for note in read():
        for span in note.spans:
            surface = note.surface(span)
            tokens = tuple(surface[start:end] for start, end in word_offsets(surface))
            if tokens and len(surface) >= least_characters:
                surfaces[tokens][span.label] += 1
                rows.append((note.note_id, span.label, True))
    lengths: dict[str, list[int]] = defaultdict(list)
    for first_word, length in sorted({(surface[0], len(surface)) for surface in surfaces}):
        lengths[first_word].append(length)
    for note in read():
        edges = word_offsets(note.text)
        words = [note.text[start:end] for start, end in edges]
        for first, word in enumerate(words):
            for length in lengths.get(word, ()):
                tokens = tuple(words[first : first + length])
                if tokens in surfaces and len(tokens) == length:
                    start, end = edges[first][0], edges[first + length - 1][1]
                    if not any(span.start < end and start < span.end for span in note.spans):
                        label = min(surfaces[tokens].items(), key=lambda entry: (-entry[1], entry[0]))[0]
                        rows.append((note.note_id, label, False))
    return pl.DataFrame(rows, schema=PLACE, orient="row")


def _spans(note: Note, edges: list[tuple[int, int]], patterns: Mapping[str, re.Pattern]) -> Iterable[dict[str, Any]]:
    starts, ends = {start for start, _ in edges}, {end for _, end in edges}
    reached = 0
    for span in sorted(note.spans, key=lambda span: (span.start, span.end)):
        surface = note.surface(span)
        row: dict[str, Any] = {"note_id": note.note_id, "split": note.split, "label": span.label}
        row |= {"score": span.score, "inside": 0 <= span.start < span.end <= len(note.text)}
        if row["inside"]:
            row |= {"apart": span.start >= reached, "tight": surface == surface.strip()}
            reached = max(reached, span.end)
        if row.get("tight"):
            row["whole_words"] = span.start in starts and span.end in ends
            if span.label in patterns:
                row["well_formed"] = patterns[span.label].fullmatch(surface) is not None
        yield row
