"""Tag the invented notes with the annotator, the model trained on the real tags (synthesis_annotate)."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import Field

from stages.shared import lineage, notes, params
from stages.shared.console import progress, say
from stages.shared.errors import run
from stages.shared.notes import Note
from stages.shared.outputs import building
from stages.shared.tracking import track


class Annotate(params.Section):
    """Section synthesis.annotate."""

    confidence: float | None = Field(ge=0, le=1)


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
        notes.write(out, confident(tagged, settings.confidence, counts))
        annotator = lineage.through(lineage.read(args.annotator), "tags")
        lineage.write(out, lineage.read(args.notes) | annotator)
        run_.metrics({name: counts[name] for name in ("notes", "spans", "dropped")})
    say(f"{counts['notes']} notes with {counts['spans']} spans, {counts['dropped']} dropped as unsure")


def confident(tagged: Iterable[Note], threshold: float | None, counts: Counter[str]) -> Iterator[Note]:
    """The notes without those that have a span scored below `threshold`; `counts` gets notes, spans and dropped.

    A note is dropped whole: without its unsure spans it would teach that they are not PII.
    """
    for note in tagged:
        if threshold is not None and any(span.score < threshold for span in note.spans):
            counts["dropped"] += 1
            continue
        counts["notes"] += 1
        counts["spans"] += len(note.spans)
        yield note


if __name__ == "__main__":
    run(main)
