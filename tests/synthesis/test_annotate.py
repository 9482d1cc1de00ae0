from dataclasses import replace

import pytest

from stages.ner.tagger import Tagger
from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.runtime import lineage
from stages.runtime.lineage import Read
from stages.synthesis.annotate import annotate
from tests import runs


class Stub:
    """Tags the first word; its score is in the note."""

    def tag(self, of):
        for note in of:
            word, _, score = note.text.partition(" ")
            yield replace(note, spans=(Span(0, len(word), "N", float(score)),) if score else ())


@pytest.fixture
def run(workdir, monkeypatch):
    texts = ["Ana 0.9", "Luis 0.4", "nadie", "Eva 0.5"]
    note_table.write("in", [Note(f"i{i}", f"i{i}", text, provenance={"prompt": "p"}) for i, text in enumerate(texts)])
    lineage.write("in", [Read("c/0/train@0.5", "real", "generator"), Read("c/0/prompts", "real", "prompts")])
    (workdir / "annotator").mkdir()
    lineage.write("annotator", [Read("c/0/train", "real", "gradient"), Read("c/0/select", "real", "selection")])
    monkeypatch.setattr(Tagger, "load", classmethod(lambda cls, folder: Stub()))

    def run(confidence, drop="note"):
        runs.write_params({"synthesis": {"annotate": {"confidence": confidence, "drop": drop}}})
        out = "data/a/c/0/1"
        runs.run(annotate, corpus="c", fold=0, seed=1, annotator="annotator", notes="in", out=out)
        return list(note_table.read(out)), lineage.read(out)

    return run


def test_all_notes_are_kept_with_their_scored_spans_and_provenance(run):
    found, reads = run(None)
    assert [(note.note_id, [note.surface(span) for span in note.spans]) for note in found] == [
        ("i0", ["Ana"]), ("i1", ["Luis"]), ("i2", []), ("i3", ["Eva"])
    ]  # fmt: skip
    assert [span.score for note in found for span in note.spans] == [0.9, 0.4, 0.5]
    assert found[0].provenance == {"prompt": "p"}
    assert reads == {
        Read("c/0/train@0.5", "real", "generator"),
        Read("c/0/prompts", "real", "prompts"),
        Read("c/0/train", "real", "tags"),
        Read("c/0/select", "real", "selection"),
    }


def test_unsure_notes_are_dropped_whole(run):
    assert [note.note_id for note in run(0.5)[0]] == ["i0", "i2", "i3"]


def test_unsure_lines_are_dropped(run):
    assert [note.note_id for note in run(0.5, "line")[0]] == ["i0", "i2", "i3"]
