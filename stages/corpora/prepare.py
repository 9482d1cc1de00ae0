"""Read a raw corpus, of any supported format, into one note table, counting what was met.

DVC stage: corpora_prepare.
"""

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ConfigDict

from stages.corpora.readers import brat, conll, i2b2, jsonl, table, text
from stages.corpora.readers.base import MARK, Raw, RawNote, Tagged
from stages.corpora.resolve import Resolver
from stages.shared import lineage, notes, outputs, params
from stages.shared.console import progress, say
from stages.shared.errors import UserError, at, run
from stages.shared.lineage import Read
from stages.shared.notes import Note
from stages.shared.tracking import track

FORMATS: dict[str, ModuleType] = {
    "brat": brat,
    "conll": conll,
    "i2b2": i2b2,
    "jsonl": jsonl,
    "table": table,
    "text": text,
}


class _Format(params.Section):
    """The one key that says which params class checks the others."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    format: str


def load_params(corpus: str, path: str | Path = "params.yaml") -> Raw:
    """The section `corpora.<corpus>.raw` as the params class of its format."""
    content, name = params.raw(path), f"corpora.{corpus}.raw"
    chosen = params.parse(_Format, name, content, path).format
    if chosen not in FORMATS:
        raise UserError(f"{path}: {name}.format: {chosen} is not one of {', '.join(FORMATS)}")
    return params.parse(FORMATS[chosen].Params, name, content, path)


class Preparation:
    """One corpus on its way into the note table.

    Iterate once: the notes come in the order of the parts and of their files, streamed. Afterwards `report` holds the
    counts. Memory grows only by the ids, which must be unique: some 100 bytes a note.
    """

    def __init__(self, folder: str | Path, settings: Raw) -> None:
        self._folder = Path(folder)
        self._settings = settings
        self._resolver = Resolver(settings) if isinstance(settings, Tagged) else None
        self._met: Counter[str] = Counter()
        self._spans: Counter[str] = Counter()
        self._parts: dict[str, Counter[str]] = {}
        self._ids: set[str] = set()
        self._groups: dict[str, set[str]] = {}

    def __iter__(self) -> Iterator[Note]:
        if not self._folder.exists():
            raise UserError(
                f"{self._folder}: no such folder; bring the corpus there, by `dvc add` or `dvc import-url`"
            )
        reader = FORMATS[self._settings.format]
        parts = self._settings.parts or {None: self._settings.path}
        for split, place in parts.items():
            part = split or "all"
            self._parts[part] = Counter(notes=0, words=0, characters=0, spans=0)
            self._groups[part] = set()
            for raw in reader.read(self._folder / place, self._settings, self._met):
                note = self._note(raw, split)
                if note:
                    self._count(note, part)
                    yield note
            if not self._parts[part]["notes"]:
                raise UserError(f"{self._folder / place}: no notes in it; correct format, parts or path")

    @property
    def report(self) -> dict[str, Any]:
        """Counts of what was read: no text, no ids."""
        totals = sum(self._parts.values(), Counter(notes=0, words=0, characters=0, spans=0))
        resolved, dropped = Counter(), Counter()
        if self._resolver:
            resolved, dropped = self._resolver.resolved, self._resolver.dropped_labels
        return {
            **{name: totals[name] for name in ("notes", "words", "characters", "spans")},
            "groups": len(set().union(*self._groups.values())),
            "parts": {
                part: {**counts, "groups": len(self._groups[part])} for part, counts in self._parts.items()
            },
            "labels": dict(self._spans),
            "dropped_labels": dict(dropped),
            "resolved": {
                name: resolved[name]
                for name in (
                    "discontinuous",
                    "invalid_offsets",
                    "line_breaks_joined",
                    "overlapping",
                    "spaced_edges",
                )
            }
            | {name: self._met[name] for name in ("empty_notes", "orphan_inside_begun")},
            "met": {
                name: self._met[name]
                for name in (
                    "notes_with_byte_order_mark",
                    "notes_with_crlf",
                    "notes_without_spans",
                    "other_annotations",
                    "xml_crlf_read_as_lf",
                )
            },
        }

    def _note(self, raw: RawNote, split: str | None) -> Note | None:
        """The note, or None for an empty one that params say to skip."""
        spans = self._resolver.spans(raw) if self._resolver else ()
        if not raw.text.removeprefix(MARK).strip():
            if self._settings.empty_notes == "error":
                raise UserError(
                    f"{at(raw.file, raw.line)}: an empty note; remove it or set empty_notes: skip"
                )
            self._met["empty_notes"] += 1
            return None
        if raw.note_id in self._ids:
            raise UserError(
                f"{at(raw.file, raw.line)}: note id {raw.note_id} occurs twice; "
                "ids must be unique in all parts of a corpus"
            )
        self._ids.add(raw.note_id)
        return Note(
            note_id=raw.note_id,
            group_id=self._group(raw),
            text=raw.text,
            spans=spans,
            split=split,
            provenance={
                "reader": self._settings.format,
                "source": raw.file.relative_to(self._folder).as_posix(),
            },
        )

    def _group(self, raw: RawNote) -> str:
        if raw.group is not None:
            return raw.group
        if self._settings.group_pattern is None:
            return raw.note_id
        match = re.search(self._settings.group_pattern, raw.note_id)
        if not match or not match[1]:
            raise UserError(
                f"{at(raw.file, raw.line)}: group_pattern finds no group in note id {raw.note_id}; correct it"
            )
        return match[1]

    def _count(self, note: Note, part: str) -> None:
        self._groups[part].add(note.group_id)
        self._spans.update(span.label for span in note.spans)
        self._parts[part].update(
            notes=1, words=notes.words(note.text), characters=len(note.text), spans=len(note.spans)
        )
        self._met["notes_with_byte_order_mark"] += note.text.startswith(MARK)
        self._met["notes_with_crlf"] += "\r\n" in note.text
        self._met["notes_without_spans"] += not note.spans


def prepare(folder: str | Path, corpus: str, settings: Raw, out: str | Path) -> dict[str, Any]:
    """Write the note table of the raw corpus in `folder` to `out`; return the ingest report."""
    preparation = Preparation(folder, settings)
    with outputs.building(out) as partial:
        notes.write(partial, progress(preparation, label=f"read {corpus}"))
        lineage.write(partial, [Read(corpus, "real", "content")])
    return preparation.report


def main() -> None:
    """The stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--corpus", required=True, help="name of the corpus: the key below `corpora` in params.yaml"
    )
    parser.add_argument("--raw", required=True, help="folder with the raw corpus")
    parser.add_argument("--out", required=True, help="folder to write the note table to")
    parser.add_argument("--report", required=True, help="JSON file to write the ingest report to")
    options = parser.parse_args()
    settings = load_params(options.corpus)
    with track(
        "corpora/prepare", options.corpus, settings, {"corpus": options.corpus}, inputs=[options.raw]
    ) as tracked:
        report = prepare(options.raw, options.corpus, settings, options.out)
        outputs.write_json(options.report, report)
        tracked.metrics(report)
        tracked.artifact(options.report)
    say(
        f"{options.corpus}: {report['notes']} notes of {report['groups']} groups, {report['words']} words, "
        f"{report['spans']} spans of {len(report['labels'])} labels"
    )


if __name__ == "__main__":
    run(main)
