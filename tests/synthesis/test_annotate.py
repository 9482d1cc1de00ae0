import sys
from collections import Counter
from dataclasses import replace

import pytest
import yaml

from stages.ner.model import Tagger
from stages.shared import lineage, notes
from stages.shared.lineage import Read
from stages.shared.notes import Note, Span
from stages.synthesis import annotate


class Stub:
    """Tags the first word; its score is in the note."""

    def tag(self, of):
        for note in of:
            word, _, score = note.text.partition(" ")
            yield replace(note, spans=(Span(0, len(word), "N", float(score)),) if score else ())


@pytest.fixture
def run(workdir, monkeypatch):
    texts = ["Ana 0.9", "Luis 0.4", "nadie", "Eva 0.5"]
    notes.write(
        "in", [Note(f"i{i}", f"i{i}", text, provenance={"prompt": "p"}) for i, text in enumerate(texts)]
    )
    lineage.write("in", [Read("c/0/train@0.5", "real", "generator"), Read("c/0/prompts", "real", "prompts")])
    (workdir / "annotator").mkdir()
    lineage.write(
        "annotator", [Read("c/0/train", "real", "gradient"), Read("c/0/select", "real", "selection")]
    )
    monkeypatch.setattr(Tagger, "load", classmethod(lambda cls, folder: Stub()))

    def run(confidence, drop="note"):
        with open("params.yaml", "w") as file:
            yaml.safe_dump({"synthesis": {"annotate": {"confidence": confidence, "drop": drop}}}, file)
        out = "data/a/c/0/1"
        monkeypatch.setattr(
            sys, "argv", ["annotate", "--annotator", "annotator", "--notes", "in", "--out", out]
        )
        annotate.main()
        return list(notes.read(out)), lineage.read(out)

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


def test_what_was_dropped_is_counted():
    counts = Counter()
    stub = Stub().tag([Note("a", "a", "Ana 0.9"), Note("b", "b", "Eva 0.1")])
    settings = annotate.Annotate(confidence=0.5, drop="note")
    assert len(list(annotate.confident(stub, settings, counts))) == 1
    assert counts == {"notes": 1, "spans": 1, "dropped": 1}


def test_lines_with_an_unsure_span_go_and_the_others_keep_their_spans(run):
    text = "Sra. Ana\nvive en Lugo,\ncalle Mayor\n7, con Eva\ny Luis"
    scores = {"Ana": 0.9, "Lugo": 0.2, "calle Mayor\n7": 0.9, "Eva": 0.3, "Luis": 0.8}
    spans = tuple(
        Span(text.index(word), text.index(word) + len(word), "N", score) for word, score in scores.items()
    )
    counts = Counter()
    settings = annotate.Annotate(confidence=0.5, drop="line")
    bare = Note("b", "b", "Eva", (Span(0, 3, "N", 0.1),))
    (kept,) = annotate.confident([Note("a", "a", text, spans), bare], settings, counts)
    assert kept.text == "Sra. Ana\ny Luis"
    assert [(kept.surface(span), span.score) for span in kept.spans] == [("Ana", 0.9), ("Luis", 0.8)]
    # The street goes across a line break, so its two lines are one, and Eva takes both along.
    assert counts == {"notes": 1, "spans": 2, "dropped": 1, "lines": 3}
    assert [note.note_id for note in run(0.5, "line")[0]] == ["i0", "i2", "i3"]
