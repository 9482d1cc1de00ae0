"""Tag the invented notes with the annotator, the model trained on real tags (DVC stage `synthesis_annotate`)."""

from collections import Counter
from typing import ClassVar

from stages.ner.confidence import Confidence, confident
from stages.ner.tagger import Tagger
from stages.notes import note_table
from stages.notes.note_table import NoteTable
from stages.runtime import lineage
from stages.runtime.console import progress
from stages.runtime.stage import InFolder, OutFolder, Run, stage


class Annotate(Confidence):
    """Which of the machine-tagged invented notes are kept."""

    at: ClassVar[str] = "synthesis.annotate"


@stage("synthesis.annotate")
def annotate(
    corpus: str,
    fold: int,
    seed: int,
    annotator: InFolder,
    notes: NoteTable,
    out: OutFolder,
    settings: Annotate,
    run: Run,
) -> str:
    """Tag the invented notes with the annotator, the model trained on real tags.

    annotator: a trained tagger, or an ensemble of them.
    notes: the invented notes.
    out: the same notes with scored spans.
    """
    counts = Counter({"notes": 0, "spans": 0, "dropped": 0, "lines": 0})
    tagger = Tagger.load(annotator)
    tagged = tagger.tag(progress(note_table.read(notes), total=note_table.count(notes), label="annotating"))
    note_table.write(out, confident(tagged, settings, counts))
    lineage.write(out, lineage.read(notes) | lineage.through(lineage.read(annotator), "tags"))
    run.log(counts)
    result = "{notes} notes with {spans} spans; {dropped} notes and {lines} lines dropped for low confidence"
    return result.format(**counts)


if __name__ == "__main__":
    annotate.main()
