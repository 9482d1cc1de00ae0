"""From raw tags to the spans of a note table: labels, offsets, fragments, edges and overlaps, as the settings decide.

Nothing is repaired unless the settings ask for it, and every repair is counted.
"""

import re
from collections import Counter
from collections.abc import Collection
from typing import NoReturn

from stages.corpora.readers.base import RawNote, RawSpan, TaggedSettings
from stages.notes.note_table import Span
from stages.runtime.errors import UserError, at

# Some sources write a line break as one space, others CRLF as two.
_BREAKS = (re.compile(r"[\r\n\t]"), re.compile(r"\r\n|[\r\n\t]"))


class Resolver:
    """Turns the raw tags of a corpus into spans with its `labels`, and counts what it changes.

    `dropped_labels` counts spans by raw label; `counts` gets spans by setting (`spaced_edges`: trimmed spans).
    """

    def __init__(self, settings: TaggedSettings, labels: Collection[str], counts: Counter[str]) -> None:
        self.dropped_labels: Counter[str] = Counter()
        self._counts, self._settings = counts, settings
        self._labels: dict[str, str | None] = {**{label: label for label in labels}, **settings.rename}

    def spans(self, note: RawNote) -> tuple[Span, ...]:
        """The note's spans, sorted and disjoint. Raises UserError for a tag that no setting allows."""
        spans: list[tuple[Span, RawSpan]] = []
        for raw in note.spans:
            if raw.label not in self._labels:
                # Misread columns put text where labels are expected, so the label is not quoted.
                remedy = "add it to the corpus's `labels`, or to `raw.rename` (null drops it)"
                _stop(note, raw, "the label of this tag is unknown", remedy)
            label = self._labels[raw.label]
            if label is None:
                self.dropped_labels[raw.label] += 1
            elif problem := _problem(note.text, raw):
                if self._settings.invalid_offsets == "error":
                    _stop(note, raw, problem, "correct the offsets or set invalid_offsets: drop")
                self._counts["invalid_offsets"] += 1
            else:
                for start, end in self._joined(note, raw):
                    spans.append((Span(*self._trimmed(note, raw, start, end), label), raw))
        return self._disjoint(note, spans)

    def _joined(self, note: RawNote, raw: RawSpan) -> list[tuple[int, int]]:
        """The fragments of a tag, those with only white space between them joined."""
        joined = [raw.fragments[0]]
        for start, end in raw.fragments[1:]:
            if note.text[joined[-1][1] : start].strip():
                joined.append((start, end))
            else:
                joined[-1] = (joined[-1][0], end)
        self._counts["line_breaks_joined"] += len(joined) < len(raw.fragments)
        if len(joined) == 1:
            return joined
        self._counts["discontinuous"] += 1
        if self._settings.discontinuous == "error":
            _stop(note, raw, "a discontinuous span", "set discontinuous: hull, fragments or drop")
        hull = [(joined[0][0], joined[-1][1])]
        return {"hull": hull, "fragments": joined, "drop": []}[self._settings.discontinuous]

    def _trimmed(self, note: RawNote, raw: RawSpan, start: int, end: int) -> tuple[int, int]:
        surface = note.text[start:end]
        left, right = len(surface) - len(surface.lstrip()), len(surface) - len(surface.rstrip())
        if left or right:
            if self._settings.spaced_edges == "error":
                _stop(note, raw, "a span begins or ends on white space", "correct it or set spaced_edges: trim")
            self._counts["spaced_edges"] += 1
        return start + left, end - right

    def _disjoint(self, note: RawNote, spans: list[tuple[Span, RawSpan]]) -> tuple[Span, ...]:
        longest = self._settings.overlapping == "keep_longest"

        def rank(entry: tuple[Span, RawSpan]) -> tuple[int, int, str]:
            span = entry[0]
            length = span.start - span.end
            return (length, span.start, span.label) if longest else (span.start, length, span.label)

        kept: list[Span] = []
        for span, raw in sorted(spans, key=rank):
            # Sorted by start, only the last kept span can overlap this one; sorted by length, any can.
            if any(span.start < other.end and other.start < span.end for other in (kept if longest else kept[-1:])):
                if self._settings.overlapping == "error":
                    _stop(note, raw, "overlapping spans", "remove one or set overlapping: keep_longest or keep_first")
                self._counts["overlapping"] += 1
            else:
                kept.append(span)
        return tuple(sorted(kept))


def _problem(text: str, raw: RawSpan) -> str | None:
    """What is wrong with the offsets of a tag, or None."""
    last = 0
    for start, end in raw.fragments:
        if not last <= start < end <= len(text):
            problem = f"offsets {start}-{end} are empty, out of order or outside the text (0-{len(text)})"
            return problem + _unit(text, raw)
        if not text[start:end].strip():
            return f"offsets {start}-{end} cover only white space"
        last = end
    if raw.surface is not None:
        if not _covers(raw.surface, [text[start:end] for start, end in raw.fragments]):
            start, end = raw.fragments[0][0], raw.fragments[-1][1]
            return f"the text at offsets {start}-{end} is not the covered text given beside them{_unit(text, raw)}"
    return None


def _covers(surface: str, parts: list[str]) -> bool:
    """Whether these parts of a text are what a source says that a tag covers."""
    covered = " ".join(parts)
    return any(each.sub(" ", covered) == each.sub(" ", surface) for each in _BREAKS)


def _unit(text: str, raw: RawSpan) -> str:
    """In which other unit the offsets of a tag would be right, as a remark; empty if in none."""
    for unit, encoding, size in (("UTF-16 units", "utf-16-le", 2), ("bytes of UTF-8", "utf-8", 1)):
        encoded = text.encode(encoding)
        parts = [encoded[size * start : size * end].decode(encoding, "replace") for start, end in raw.fragments]
        if raw.surface and _covers(raw.surface, parts):
            return f" (they fit if they count {unit}; this project counts code points, as Python does)"
    return ""


def _stop(note: RawNote, raw: RawSpan, problem: str, remedy: str) -> NoReturn:
    where = at(note.tag_file or note.file, raw.line)
    if note.line and raw.line == note.line:
        # All tags of the note are on this line.
        where += f": span {note.spans.index(raw) + 1}"
    raise UserError(f"{where}: {problem}; {remedy}")
