from pathlib import Path

import pytest

from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.runtime import lineage
from stages.runtime.lineage import Read
from stages.synthesis.mix import mix
from tests import runs


@pytest.fixture
def arms(workdir):
    real = [Note(f"r{i}", f"g{i}", "uno dos tres cuatro", (Span(0, 3, "N"),)) for i in range(30)]
    invented = [Note(f"i{i}", f"i{i}", "cinco seis", (Span(0, 5, "N", 0.5),)) for i in range(200)]
    note_table.write("real", real)
    note_table.write("annotated", invented)
    lineage.write("real", [Read("c/0/train", "real", "content")])
    lineage.write("annotated", [Read("c/0/train", "real", "generator"), Read("c/0/train", "real", "tags")])
    return real, invented


def run(ratio, seed=1, held_back=0.0):
    runs.write_params({"synthesis": {"mix": {"ratio": ratio, "held_back": held_back}}})
    folders = {"annotated": "annotated", "real": "real", "synthetic": "out/synthetic", "mixed": "out/mixed"}
    runs.run(mix, corpus="c", fold=0, seed=seed, **folders)
    return list(note_table.read("out/synthetic")), list(note_table.read("out/mixed"))


@pytest.mark.parametrize(("ratio", "invented_notes"), [(1.0, 60), (2.0, 30), (4.0, 15), (0.1, 200)])
def test_the_mixed_arm_has_all_real_notes_and_invented_ones_by_ratio(arms, ratio, invented_notes):
    real, invented = arms
    synthetic, mixed = run(ratio)
    assert synthetic == invented
    assert [note for note in mixed if note.note_id[0] == "r"] == real
    chosen = [note for note in mixed if note.note_id[0] == "i"]
    assert len(chosen) == invented_notes
    assert all(note in invented for note in chosen)
    assert len(mixed) == len({note.note_id for note in mixed})


def test_order_and_choice_come_from_the_seed(arms):
    first = run(1.0, seed=1)[1]
    assert first == run(1.0, seed=1)[1]
    second = run(1.0, seed=2)[1]
    assert {note.note_id for note in first} != {note.note_id for note in second}
    turns = [note.note_id[0] for note in first]
    # Mixed all through, not one side after the other.
    assert all({"r", "i"} == set(turns[start : start + 30]) for start in (0, 30, 60))


def test_lineage_of_the_arms(arms):
    run(1.0)
    annotated = lineage.read("annotated")
    assert lineage.read("out/synthetic") == annotated
    assert lineage.read("out/mixed") == annotated | {Read("c/0/train", "real", "content")}


def test_a_share_of_the_invented_notes_is_in_no_arm(arms):
    _, invented = arms
    synthetic, mixed = run(0.1, held_back=0.05)
    held_back = list(note_table.read("out/synthetic/held_back"))
    assert len(held_back) == 10
    assert sorted(note.note_id for note in (*synthetic, *held_back)) == sorted(note.note_id for note in invented)
    assert not {note.note_id for note in held_back} & {note.note_id for note in mixed}
    assert [note.note_id for note in mixed if note.note_id[0] == "i"] == [note.note_id for note in synthetic]
    assert lineage.read("out/synthetic/held_back") == lineage.read("annotated")
    run(0.1, seed=2, held_back=0.05)
    assert list(note_table.read("out/synthetic/held_back")) != held_back


def test_nothing_is_held_back_where_nothing_is_asked_for(arms):
    run(1.0)
    assert not Path("out/synthetic/held_back").exists()
