"""Units of training: whole notes, or pieces with a certain number of words."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

from stages.notes.note_table import Note, Span

Unit = Literal["note", "piece"]


def units(notes: Iterable[Note], unit: Unit, piece_words: int) -> Iterator[Note]:
    """The notes, or the pieces of each."""
    for note in notes:
        if unit == "note":
            yield note
        else:
            yield from pieces(note, piece_words)


def pieces(note: Note, size: int) -> list[Note]:
    """Cut a note into pieces of `size` words separated by white space, without overlap.

    White space at a cut belongs to neither piece. No span is cut: a cut inside a span is moved before it, which makes
    the piece shorter. A span of at least a piece's length stays whole in a longer piece.
    """
    words = [match.span() for match in re.finditer(r"\S+", note.text)]
    result: list[Note] = []
    first = 0
    while first < len(words):
        # The first word of the next piece.
        last = _before_span(words, note.spans, first, min(first + size, len(words)))
        start, end = words[first][0], words[last - 1][1]
        inside = tuple(
            replace(span, start=span.start - start, end=span.end - start)
            for span in note.spans
            if start <= span.start and span.end <= end
        )
        provenance = {**note.provenance, "note": note.note_id, "start": start}
        number, text = len(result), note.text[start:end]
        result.append(Note(f"{note.note_id}#{number}", note.group_id, text, inside, note.split, provenance))
        first = last
    return result


def _before_span(words: list[tuple[int, int]], spans: tuple[Span, ...], first: int, last: int) -> int:
    """The cut nearest to `last` that is inside no span: before the span, or after it if the piece would be empty."""
    if last == len(words):
        return last
    torn = [span for span in spans if span.start < words[last - 1][1] and span.end > words[last][0]]
    if not torn:
        return last
    starts_in = next(number for number, (_, end) in enumerate(words) if end > torn[0].start)
    if starts_in > first:
        # Another span may end in the same word; then the cut moves before that one too.
        return _before_span(words, spans, first, starts_in)
    return next((number for number in range(last, len(words)) if words[number][0] >= torn[-1].end), len(words))
