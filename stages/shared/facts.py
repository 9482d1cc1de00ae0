"""Facts tables: what a quality gate may know of notes and tags - counts, flags and scores, never their text.

A flag that would only repeat another's failure is null: a span outside its note has no edges to judge.
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import polars as pl

from stages.shared.notes import Note, Span
from stages.shared.tags import words

NOTE = {
    "note_id": pl.String,
    "group_id": pl.String,
    "split": pl.String,
    # Words as `tags.words` counts them.
    "words": pl.Int64,
    "spans": pl.Int64,
    "has_pii": pl.Boolean,
}
SPAN = {
    "note_id": pl.String,
    "split": pl.String,
    "label": pl.String,
    "score": pl.Float64,
    # Offsets are in order and inside the text.
    "inside": pl.Boolean,
    # Begins where or after every earlier span of its note has ended.
    "apart": pl.Boolean,
    # Neither first nor last character is white space; null if not inside.
    "tight": pl.Boolean,
    # Both edges are word edges; null if not tight.
    "whole_words": pl.Boolean,
    # The surface has its label's format; null if not tight or the label has none.
    "well_formed": pl.Boolean,
}
PLACE = {
    "note_id": pl.String,
    # The label that the surface has most often.
    "label": pl.String,
    "tagged": pl.Boolean,
}


def tables(
    notes: Iterable[Note],
    formats: Mapping[str, str],
    more: Callable[[Note, list[tuple[int, int]]], Mapping[str, Any]] | None = None,
    more_schema: Mapping[str, Any] | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(one row per note, one row per span) of streamed notes.

    `formats` are regular expressions by label for whole surfaces; `more` gets a note and its words, and adds
    the columns of `more_schema` to its row. Memory: the rows only.
    """
    patterns = {label: re.compile(pattern) for label, pattern in formats.items()}
    note_rows: list[dict[str, Any]] = []
    span_rows: list[dict[str, Any]] = []
    for note in notes:
        edges = words(note.text)
        note_rows.append(
            {
                "note_id": note.note_id,
                "group_id": note.group_id,
                "split": note.split,
                "words": len(edges),
                "spans": len(note.spans),
                "has_pii": bool(note.spans),
                **(more(note, edges) if more else {}),
            }
        )
        span_rows.extend(_spans(note, edges, patterns))
    note_schema = {**NOTE, **(more_schema or {})}
    return pl.DataFrame(note_rows, schema=note_schema), pl.DataFrame(span_rows, schema=SPAN)


def labels(spans: pl.DataFrame, test: str = "test") -> pl.DataFrame:
    """One row per label of a span table: how many spans, and whether any stands outside the `test` part.

    `in_training` is null where no note has an official split.
    """
    return (
        spans.group_by("label")
        .agg(
            pl.len().cast(pl.Int64).alias("spans"),
            (pl.col("split").is_null() | (pl.col("split") != test)).any().alias("in_training"),
        )
        .sort("label")
        .with_columns(
            pl.when(pl.lit((spans["split"] == test).any())).then(pl.col("in_training")).alias("in_training")
        )
    )


def places(read: Callable[[], Iterable[Note]], least_characters: int) -> pl.DataFrame:
    """One row per place where a surface stands that is tagged somewhere: is it tagged here, as anything?

    `read` is called twice. Surfaces are found as runs of whole words, case matters, shorter ones than
    `least_characters` are left out. Memory: the distinct surfaces, and the rows.
    """
    surfaces: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    rows: list[dict[str, Any]] = []
    for note in read():
        for span in note.spans:
            surface = note.surface(span)
            tokens = tuple(surface[start:end] for start, end in words(surface))
            if tokens and len(surface) >= least_characters:
                surfaces[tokens][span.label] += 1
                rows.append({"note_id": note.note_id, "label": span.label, "tagged": True})
    lengths: dict[str, list[int]] = defaultdict(list)
    for first_word, length in sorted({(surface[0], len(surface)) for surface in surfaces}):
        lengths[first_word].append(length)
    for note in read():
        edges = words(note.text)
        tokens = [note.text[start:end] for start, end in edges]
        for first, token in enumerate(tokens):
            for length in lengths.get(token, ()):
                last = first + length - 1
                surface = tuple(tokens[first : last + 1])
                if (
                    last < len(tokens)
                    and surface in surfaces
                    and not _touched(note, edges[first][0], edges[last][1])
                ):
                    label = min(surfaces[surface].items(), key=lambda entry: (-entry[1], entry[0]))[0]
                    rows.append({"note_id": note.note_id, "label": label, "tagged": False})
    return pl.DataFrame(rows, schema=PLACE)


def _spans(
    note: Note, edges: list[tuple[int, int]], patterns: Mapping[str, re.Pattern]
) -> Iterable[dict[str, Any]]:
    reached = 0
    for span in sorted(note.spans, key=lambda span: (span.start, span.end)):
        inside = 0 <= span.start < span.end <= len(note.text)
        tight = well_formed = whole = None
        if inside:
            surface = note.surface(span)
            tight = not (surface[0].isspace() or surface[-1].isspace())
            if tight:
                whole = _on_word_edges(span, edges)
                if span.label in patterns:
                    well_formed = patterns[span.label].fullmatch(surface) is not None
        yield {
            "note_id": note.note_id,
            "split": note.split,
            "label": span.label,
            "score": span.score,
            "inside": inside,
            "apart": span.start >= reached if inside else None,
            "tight": tight,
            "whole_words": whole,
            "well_formed": well_formed,
        }
        if inside:
            reached = max(reached, span.end)


def _on_word_edges(span: Span, edges: list[tuple[int, int]]) -> bool:
    first = bisect_left(edges, (span.start, 0))
    last = bisect_left(edges, (span.end, 0)) - 1
    return first < len(edges) and edges[first][0] == span.start and edges[last][1] == span.end


def _touched(note: Note, start: int, end: int) -> bool:
    return any(span.start < end and start < span.end for span in note.spans)
