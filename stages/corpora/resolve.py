"""From tags as annotated to the spans of the note table: label map, offsets, pieces, edges, overlaps, by policy.

Nothing is repaired unasked, and whatever is repaired is counted.
"""

import re
from collections import Counter
from typing import NoReturn

from stages.corpora.readers.base import RawNote, RawSpan, Tagged
from stages.shared.errors import UserError, at
from stages.shared.notes import Span

_BREAK = re.compile(r"\r\n|[\r\n\t]")
_BREAK_CHARACTER = re.compile(r"[\r\n\t]")


class Resolver:
    """Applies one corpus's label map and policies to notes, and counts.

    `dropped_labels` is raw label -> spans; `resolved` is policy -> spans (`spaced_edges`: trimmed spans).
    """

    def __init__(self, params: Tagged) -> None:
        self.dropped_labels: Counter[str] = Counter()
        self.resolved: Counter[str] = Counter()
        self._params = params
        self._labels = params.label_map()

    def spans(self, note: RawNote) -> tuple[Span, ...]:
        """The note's spans, sorted and disjoint; UserError on what no policy allows."""
        spans: list[tuple[Span, RawSpan]] = []
        for raw in note.spans:
            label = self._label(note, raw)
            if label is None:
                self.dropped_labels[raw.label] += 1
            elif self._valid(note, raw):
                for start, end in self._pieces(note, raw):
                    start, end = self._trimmed(note, raw, start, end)
                    spans.append((Span(start, end, label), raw))
        return self._disjoint(note, spans)

    def _label(self, note: RawNote, raw: RawSpan) -> str | None:
        if raw.label not in self._labels:
            _stop(note, raw, f"label {raw.label} is unknown", "add it to `labels` (null drops it)")
        return self._labels[raw.label]

    def _valid(self, note: RawNote, raw: RawSpan) -> bool:
        problem = _problem(note.text, raw)
        if problem and self._params.invalid_offsets == "error":
            _stop(note, raw, problem, "correct the offsets or set invalid_offsets: drop")
        self.resolved["invalid_offsets"] += bool(problem)
        return not problem

    def _pieces(self, note: RawNote, raw: RawSpan) -> list[tuple[int, int]]:
        joined = [raw.fragments[0]]
        for start, end in raw.fragments[1:]:
            if note.text[joined[-1][1] : start].strip():
                joined.append((start, end))
            else:
                joined[-1] = (joined[-1][0], end)
        self.resolved["line_breaks_joined"] += len(joined) < len(raw.fragments)
        if len(joined) == 1:
            return joined
        self.resolved["discontinuous"] += 1
        match self._params.discontinuous:
            case "hull":
                return [(joined[0][0], joined[-1][1])]
            case "fragments":
                return joined
            case "drop":
                return []
        _stop(note, raw, "a discontinuous span", "set discontinuous: hull, fragments or drop")

    def _trimmed(self, note: RawNote, raw: RawSpan, start: int, end: int) -> tuple[int, int]:
        surface = note.text[start:end]
        left, right = len(surface) - len(surface.lstrip()), len(surface) - len(surface.rstrip())
        if left or right:
            if self._params.spaced_edges == "error":
                _stop(
                    note, raw, "a span begins or ends on white space", "correct it or set spaced_edges: trim"
                )
            self.resolved["spaced_edges"] += 1
        return start + left, end - right

    def _disjoint(self, note: RawNote, spans: list[tuple[Span, RawSpan]]) -> tuple[Span, ...]:
        longest = self._params.overlapping == "keep_longest"

        def rank(entry: tuple[Span, RawSpan]) -> tuple[int, int, str]:
            span = entry[0]
            length = span.start - span.end
            return (length, span.start, span.label) if longest else (span.start, length, span.label)

        kept: list[Span] = []
        for span, raw in sorted(spans, key=rank):
            # Sorted by start only the last kept can overlap; sorted by length, any.
            if any(
                span.start < other.end and other.start < span.end
                for other in (kept if longest else kept[-1:])
            ):
                if self._params.overlapping == "error":
                    _stop(
                        note,
                        raw,
                        "overlapping spans",
                        "remove one or set overlapping: keep_longest or keep_first",
                    )
                self.resolved["overlapping"] += 1
            else:
                kept.append(span)
        return tuple(sorted(kept))


def _problem(text: str, raw: RawSpan) -> str | None:
    """What is wrong with a span's offsets, or None."""
    last = 0
    for start, end in raw.fragments:
        if not last <= start < end <= len(text):
            return f"offsets {start}-{end} are empty, out of order or outside the text (0-{len(text)})"
        if not text[start:end].strip():
            return f"offsets {start}-{end} cover only white space"
        last = end
    if raw.surface is not None:
        covered = " ".join(text[start:end] for start, end in raw.fragments)
        # Sources write a line break as one space, or CRLF as two.
        if covered != raw.surface and not any(
            line_break.sub(" ", covered) == line_break.sub(" ", raw.surface)
            for line_break in (_BREAK_CHARACTER, _BREAK)
        ):
            start, end = raw.fragments[0][0], raw.fragments[-1][1]
            return f"the text at offsets {start}-{end} is not the covered text given beside them"
    return None


def _stop(note: RawNote, raw: RawSpan, problem: str, remedy: str) -> NoReturn:
    raise UserError(f"{at(note.tag_file or note.file, raw.line)}: {problem}; {remedy}")
