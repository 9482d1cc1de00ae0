import json
import sys
from dataclasses import replace

import pytest
import yaml

from stages.ner import selftrain
from stages.ner.model import Tagger
from stages.shared import lineage, notes
from stages.shared.errors import UserError
from stages.shared.lineage import Read
from stages.shared.notes import Note, Span
from tests import tiny
from tests.ner.test_train import SECTION, tagged

OUT = "data/models/ner/selftrained/c/0/3"
INVENTED = [
    Note("i0", "i0", "Vera kom hit"),
    Note("i1", "i1", "Nils kom"),
    Note("i2", "i2", "ingen\nOlga kom"),
]


class Teacher:
    """Tags three names, one of which it is unsure of."""

    def tag(self, of):
        scores = {"Vera": 0.9, "Nils": 0.8, "Olga": 0.3}
        for note in of:
            found = [(note.text.find(name), name) for name in scores if name in note.text]
            spans = tuple(Span(start, start + len(name), "NAME", scores[name]) for start, name in found)
            yield replace(note, spans=spans)


@pytest.fixture
def stage(workdir, monkeypatch, modernbert):
    """Run the stage with a threshold; returns its metrics and the notes that were learnt from."""
    for name, learned, reads in [
        ("gold", tagged(tiny.texts(12)), [Read("c/0/train", "real", "content")]),
        ("select", tagged(tiny.texts(4)), [Read("c/0/select", "real", "content")]),
        ("invented", INVENTED, [Read("c/0/train@0.5", "real", "generator")]),
    ]:
        notes.write(name, learned)
        lineage.write(name, reads)
    (workdir / "teacher").mkdir()
    lineage.write(
        "teacher", [Read("c/0/train@0.2", "real", "gradient"), Read("story", "public", "vocabulary")]
    )
    monkeypatch.setattr(Tagger, "load", classmethod(lambda cls, folder: Teacher()))
    learned = []
    train = selftrain.train

    def spy(base, table, *rest):
        learned.extend(notes.read(table))
        return train(base, table, *rest)

    monkeypatch.setattr(selftrain, "train", spy)

    def run(confidence, teacher="real"):
        section = {"teacher": teacher, "confidence": confidence, "drop": "line"}
        with open("params.yaml", "w") as file:
            yaml.safe_dump(
                {"ner": {"selftrain": section, "train": SECTION | {"steps": 2, "probes": 1}}}, file
            )
        arguments = {"base": modernbert, "teacher": "teacher", "notes": "gold", "invented": "invented",
                     "select": "select", "seed": 3, "out": OUT, "metrics": "metrics.json"}  # fmt: skip
        monkeypatch.setattr(
            sys,
            "argv",
            ["selftrain", *(str(p) for name, value in arguments.items() for p in (f"--{name}", value))],
        )
        selftrain.main()
        return json.loads((workdir / "metrics.json").read_text()), learned

    return run


def test_it_learns_from_its_notes_and_from_what_the_teacher_is_sure_of(stage):
    metrics, learned = stage(0.5)
    assert learned[:12] == list(notes.read("gold"))
    assert [(note.text, [note.surface(span) for span in note.spans]) for note in learned[12:]] == [
        ("Vera kom hit", ["Vera"]),
        ("Nils kom", ["Nils"]),
        # The line with the unsure name has gone.
        ("ingen\n", []),
    ]
    assert (metrics["notes"], metrics["steps"]) == (15, 2)


def test_without_a_threshold_all_tags_are_learnt(stage):
    _, learned = stage(None)
    assert [len(note.spans) for note in learned[12:]] == [1, 1, 1]


def test_it_has_read_what_the_teacher_and_the_generator_have(stage):
    stage(None)
    reads = lineage.read(OUT)
    assert reads >= {
        Read("c/0/train", "real", "gradient"),
        Read("c/0/train@0.5", "real", "generator"),
        Read("c/0/train@0.2", "real", "tags"),
    }
    assert {read.notes for read in lineage.bars_release(reads)} == {"c/0/train"}


def test_no_teacher_teaches_itself(stage):
    with pytest.raises(UserError, match=r"ner\.selftrain\.teacher"):
        stage(None, teacher="selftrained")
