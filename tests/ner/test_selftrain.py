from dataclasses import replace

import pytest

from stages.ner import fitting
from stages.ner.selftrain import selftrain
from stages.ner.tagger import Tagger
from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.outputs import read_json
from tests import tiny
from tests.ner.conftest import SECTION, tagged
from tests.runs import run, write_params

OUT = "data/models/ner/selftrained/c/0/3"
INVENTED = [Note("i0", "i0", "Vera kom hit"), Note("i1", "i1", "Nils kom"), Note("i2", "i2", "ingen\nOlga kom")]


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
    """Run the stage with a threshold; returns its metrics and the notes that were trained on."""
    for name, learned, reads in [
        ("gold", tagged(tiny.texts(12)), [Read("c/0/train", "real", "content")]),
        ("select", tagged(tiny.texts(4)), [Read("c/0/select", "real", "content")]),
        ("invented", INVENTED, [Read("c/0/train@0.5", "real", "generator")]),
    ]:
        note_table.write(name, learned)
        lineage.write(name, reads)
    (workdir / "teacher").mkdir()
    lineage.write("teacher", [Read("c/0/train@0.2", "real", "gradient"), Read("story", "public", "vocabulary")])
    monkeypatch.setattr(Tagger, "load", classmethod(lambda cls, folder: Teacher()))
    learned = []
    fit = fitting.fit

    def spy(base, table, *rest):
        learned.extend(note_table.read(table))
        return fit(base, table, *rest)

    monkeypatch.setattr(fitting, "fit", spy)

    def run_stage(confidence, teacher="real"):
        section = {"teacher": teacher, "confidence": confidence, "drop": "line"}
        write_params({"ner": {"selftrain": section, "train": SECTION | {"steps": 2, "probes": 1}}})
        inputs = {
            "base": modernbert,
            "teacher": "teacher",
            "notes": "gold",
            "invented": "invented",
            "select": "select",
        }
        run(selftrain, corpus="c", fold=0, seed=3, **inputs, out=OUT, metrics="metrics.json")
        return read_json("metrics.json"), learned

    return run_stage


@pytest.mark.slow
def test_it_trains_on_its_notes_and_on_what_the_teacher_is_sure_of(stage):
    metrics, learned = stage(0.5)
    assert learned[:12] == list(note_table.read("gold"))
    assert [(note.text, [note.surface(span) for span in note.spans]) for note in learned[12:]] == [
        ("Vera kom hit", ["Vera"]),
        ("Nils kom", ["Nils"]),
        # The line with the unsure name is dropped.
        ("ingen\n", []),
    ]
    assert (metrics["notes"], metrics["steps"]) == (15, 2)


@pytest.mark.slow
def test_without_a_threshold_all_tags_are_trained_on(stage):
    _, learned = stage(None)
    assert [len(note.spans) for note in learned[12:]] == [1, 1, 1]


@pytest.mark.slow
def test_its_lineage_includes_the_teacher_and_the_generator(stage):
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
