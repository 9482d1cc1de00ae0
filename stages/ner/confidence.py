"""What of a machine-tagged note is kept for training, given how confident the model is of each span."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from pydantic import Field

from stages.notes.note_table import Note, Span
from stages.runtime.params import Section


class Confidence(Section):
    """Which machine-tagged text is kept. Base of ner.selftrain's and synthesis.annotate's settings."""

    confidence: float | None = Field(ge=0, le=1)
    """Lowest score of a span, a probability, that is kept; null keeps every span."""
    drop: Literal["note", "line"]
    """What is dropped together with a span that scores less: the whole note, or only the line it stands in."""


def confident(tagged: Iterable[Note], settings: Confidence, counts: Counter[str]) -> Iterator[Note]:
    """Yield the notes without the text around spans that score below `settings.confidence`.

    The text is dropped together with its unsure spans: if only the spans were dropped, the text would teach a model
    that these words are not PII. `counts` is updated with the `notes` and `spans` kept, the `lines` dropped, and the
    notes `dropped`, including those that are left empty.
    """
    for note in tagged:
        unsure = [span for span in note.spans if span.score is not None and span.score < (settings.confidence or 0)]
        if unsure and settings.drop == "line":
            note, lines = without_lines(note, unsure)
            counts["lines"] += lines
        elif unsure:
            note = replace(note, text="")
        if unsure and not note.text.strip():
            counts["dropped"] += 1
            continue
        counts["notes"] += 1
        counts["spans"] += len(note.spans)
        yield note


def without_lines(note: Note, unsure: Collection[Span]) -> tuple[Note, int]:
    """Return the note without the lines that contain an `unsure` span, and the number of these lines.

    Lines that share a span count as one line.
    """
    ends = [
        found.end()
        for found in re.finditer(r"\n|$", note.text)
        if not any(span.start < found.end() < span.end for span in note.spans)
    ]
    text, spans, dropped = "", [], 0
    for start, end in pairwise([0, *ends]):
        inside = [span for span in note.spans if start <= span.start < end]
        if any(span in unsure for span in inside):
            dropped += 1
            continue
        moved = len(text) - start
        spans += [replace(span, start=span.start + moved, end=span.end + moved) for span in inside]
        text += note.text[start:end]
    return replace(note, text=text, spans=tuple(spans)), dropped
