"""Read a raw corpus of any supported format into one note table, with counts (DVC stage `corpora_prepare`)."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from stages.corpora.readers import brat, conll, i2b2, jsonl, table, text
from stages.corpora.readers.base import BYTE_ORDER_MARK, RawNote, RawSettings, TaggedSettings
from stages.corpora.resolve import Resolver
from stages.notes import note_table
from stages.notes.labels import Labels
from stages.notes.note_table import Note
from stages.runtime import lineage, outputs
from stages.runtime.console import progress
from stages.runtime.errors import UserError, at
from stages.runtime.lineage import Read
from stages.runtime.params import Root
from stages.runtime.stage import InFolder, OutFile, OutFolder, Run, stage

Format = brat.Brat | conll.Conll | i2b2.I2b2 | jsonl.Jsonl | table.Table | text.Text
READERS = {"brat": brat, "conll": conll, "i2b2": i2b2, "jsonl": jsonl, "table": table, "text": text}
TOTALS = ("notes", "words", "characters", "spans")
# What the settings decided on, and what is only reported.
RESOLVED = (
    "discontinuous", "empty_notes", "invalid_offsets", "line_breaks_joined", "orphan_inside_begun", "overlapping",
    "spaced_edges",
)  # fmt: skip
MET = (
    "notes_with_byte_order_mark", "notes_with_crlf", "notes_without_spans", "other_annotations",
    "xml_crlf_read_as_lf",
)  # fmt: skip


class RawCorpus(Root[Annotated[Format, Field(discriminator="format")]]):
    """How the raw corpus is read: the settings of its format, which `format` names."""

    at: ClassVar[str] = "catalog.{corpus}.raw"


@stage("corpora.prepare")
def prepare(
    corpus: str, raw: InFolder, out: OutFolder, report: OutFile, settings: RawCorpus, labels: Labels, run: Run
) -> str:
    """Read a raw corpus into one note table.

    raw: the raw corpus.
    out: the note table.
    report: counts of notes, words, spans and labels, and of everything that was changed or left out.
    """
    renamed = settings.root.rename.values() if isinstance(settings.root, TaggedSettings) else ()
    if unknown := sorted({label for label in renamed if label is not None} - labels.root.keys()):
        raise UserError(
            f"params.yaml: catalog.{corpus}.raw.rename: {', '.join(unknown)} is not among catalog.{corpus}.labels; "
            "add it there with its kind of PII"
        )
    notes = RawNotes(raw, settings.root, labels)
    note_table.write(out, progress(notes, label=f"read {corpus}"))
    lineage.write(out, [Read(corpus, "real", "content")])
    size = notes.report
    outputs.write_json(report, size)
    run.log(size)
    return (
        f"{size['notes']} notes of {size['groups']} groups, {size['words']} words, "
        f"{size['spans']} spans of {len(size['labels'])} labels"
    )


class RawNotes:
    """The notes of a raw corpus, streamed in the order of the parts and their files; afterwards `report` has counts.

    Iterate only once. Memory grows with the note ids, which must be unique: about 100 bytes a note.
    """

    def __init__(self, folder: Path, settings: RawSettings, labels: Labels) -> None:
        self._folder, self._settings = folder, settings
        self._counts: Counter[str] = Counter()
        self._resolver = (
            Resolver(settings, labels.root, self._counts) if isinstance(settings, TaggedSettings) else None
        )
        self._spans: Counter[str] = Counter()
        self._parts: dict[str, Counter[str]] = {}
        self._groups: dict[str, set[str]] = {}
        self._ids: set[str] = set()

    def __iter__(self) -> Iterator[Note]:
        settings = self._settings
        for part, place in (settings.parts or {"all": settings.path or "."}).items():
            totals = self._parts[part] = Counter(dict.fromkeys(TOTALS, 0))
            groups = self._groups[part] = set()
            for raw in READERS[settings.format].read(self._folder / place, settings, self._counts):
                note = self._note(raw, part if settings.parts else None)
                if note:
                    groups.add(note.group_id)
                    words, characters = note_table.count_words(note.text), len(note.text)
                    totals.update(notes=1, words=words, characters=characters, spans=len(note.spans))
                    self._spans.update(span.label for span in note.spans)
                    yield note
            if not totals["notes"]:
                raise UserError(f"{self._folder / place}: no notes in it; correct format, parts or path")

    @property
    def report(self) -> dict[str, Any]:
        """Counts of what was read: no text, no ids."""
        return {
            **{name: sum(totals[name] for totals in self._parts.values()) for name in TOTALS},
            "groups": len(set().union(*self._groups.values())),
            "parts": {part: {**totals, "groups": len(self._groups[part])} for part, totals in self._parts.items()},
            "labels": dict(self._spans),
            "dropped_labels": dict(self._resolver.dropped_labels) if self._resolver else {},
            "resolved": {name: self._counts[name] for name in RESOLVED},
            "met": {name: self._counts[name] for name in MET},
        }

    def _note(self, raw: RawNote, split: str | None) -> Note | None:
        """The note, or None for an empty one that the settings skip."""
        where = at(raw.file, raw.line)
        spans = self._resolver.spans(raw) if self._resolver else ()
        if not raw.text.removeprefix(BYTE_ORDER_MARK).strip():
            if self._settings.empty_notes == "error":
                raise UserError(f"{where}: an empty note; remove it or set empty_notes: skip")
            self._counts["empty_notes"] += 1
            return None
        if raw.note_id in self._ids:
            raise UserError(f"{where}: an earlier note has the same id; ids must be unique in all parts of a corpus")
        self._ids.add(raw.note_id)
        group = raw.note_id if raw.group is None else raw.group
        if raw.group is None and self._settings.group_pattern:
            match = re.search(self._settings.group_pattern, raw.note_id)
            if not match or not match[1]:
                raise UserError(f"{where}: group_pattern finds no group in the id of this note; correct it")
            group = match[1]
        self._counts["notes_with_byte_order_mark"] += raw.text.startswith(BYTE_ORDER_MARK)
        self._counts["notes_with_crlf"] += "\r\n" in raw.text
        self._counts["notes_without_spans"] += not spans
        source = {"reader": self._settings.format, "source": raw.file.relative_to(self._folder).as_posix()}
        return Note(raw.note_id, group, raw.text, spans, split, source)


if __name__ == "__main__":
    prepare.main()
