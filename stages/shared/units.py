"""The unit a language model reads and writes: a whole note, or a piece of so many words."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

from stages.shared.notes import Note, Span

Unit = Literal["note", "piece"]
_WORD = re.compile(r"\S+")


def units(notes: Iterable[Note], unit: Unit, piece_words: int) -> Iterator[Note]:
    """The notes, or the pieces of each."""
    for note in notes:
        if unit == "note":
            yield note
        else:
            yield from pieces(note, piece_words)


def pieces(note: Note, size: int) -> list[Note]:
    """The note in pieces of `size` words (white space between), without overlap, text and offsets as they were.

    White space at a cut belongs to neither piece. No span is torn: a cut that would fall inside one is made before
    it, so the piece is shorter; a span as long as a piece or longer stays whole and makes a longer piece.
    """
    words = [match.span() for match in _WORD.finditer(note.text)]
    result = []
    first = 0
    while first < len(words):
        last = min(first + size, len(words))  # the first word of the next piece
        last = _before_span(words, note.spans, first, last)
        start, end = words[first][0], words[last - 1][1]
        inside = tuple(
            replace(span, start=span.start - start, end=span.end - start)
            for span in note.spans
            if start <= span.start and span.end <= end
        )
        result.append(
            replace(
                note,
                note_id=f"{note.note_id}#{len(result)}",
                text=note.text[start:end],
                spans=inside,
                provenance={**note.provenance, "note": note.note_id, "start": start},
            )
        )
        first = last
    return result


def _before_span(words: list[tuple[int, int]], spans: tuple[Span, ...], first: int, last: int) -> int:
    """The cut nearest to `last` that tears no span: before the span, or after it if nothing would be left."""
    if last == len(words):
        return last
    torn = [span for span in spans if span.start < words[last - 1][1] and span.end > words[last][0]]
    if not torn:
        return last
    starts_in = next(number for number, (_, end) in enumerate(words) if end > torn[0].start)
    if starts_in > first:
        # The word before may end another span's word; it is whole by then unless both share a word.
        return _before_span(words, spans, first, starts_in)
    return next(
        (number for number in range(last, len(words)) if words[number][0] >= torn[-1].end), len(words)
    )
