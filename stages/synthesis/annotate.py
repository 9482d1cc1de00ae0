"""Tag the invented notes with the annotator, the model trained on the real tags (synthesis_annotate)."""

import argparse
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from pydantic import Field

from stages.shared import lineage, notes, params
from stages.shared.console import progress, say
from stages.shared.errors import run
from stages.shared.notes import Note, Span
from stages.shared.outputs import building
from stages.shared.tracking import track


class Annotate(params.Section):
    """Section synthesis.annotate."""

    confidence: float | None = Field(ge=0, le=1)
    drop: Literal["note", "line"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotator", required=True, help="folder of a model written by ner_train")
    parser.add_argument("--notes", required=True, help="note table of invented notes")
    parser.add_argument("--out", required=True, help="note table to write: the same notes with scored spans")
    args = parser.parse_args()
    settings = params.load(Annotate, "synthesis.annotate")
    total = notes.count(args.notes)
    corpus, fold, seed = Path(args.out).parts[-3:]
    tags = {"corpus": corpus, "fold": fold, "seed": seed}
    counts: Counter[str] = Counter()

    from stages.ner.model import Tagger

    tagger = Tagger.load(args.annotator)
    with (
        track("synthesis/annotate", "-".join([corpus, fold, seed]), settings, tags) as run_,
        building(args.out) as out,
    ):
        tagged = tagger.tag(progress(notes.read(args.notes), total=total, label="annotating"))
        notes.write(out, confident(tagged, settings, counts))
        annotator = lineage.through(lineage.read(args.annotator), "tags")
        lineage.write(out, lineage.read(args.notes) | annotator)
        run_.metrics({name: counts[name] for name in ("notes", "spans", "dropped", "lines")})
    say(
        f"{counts['notes']} notes with {counts['spans']} spans, {counts['dropped']} notes and {counts['lines']} "
        "lines dropped as unsure"
    )


def confident(tagged: Iterable[Note], settings: Annotate, counts: Counter[str]) -> Iterator[Note]:
    """The notes without those, or without those lines, that have a span scored below the threshold.

    `counts` gets notes, spans, and what was dropped: notes (those left empty included) and lines. Text goes with its
    unsure spans: left without them it would teach that they are not PII.
    """
    for note in tagged:
        unsure = [span for span in note.spans if settings.confidence and span.score < settings.confidence]
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
    """The note without the lines that hold an unsure span, and how many those are.

    Lines that one span goes across count as one.
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


if __name__ == "__main__":
    run(main)
