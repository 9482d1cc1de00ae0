import sys

import pytest
import yaml

from stages.shared import lineage, notes
from stages.shared.lineage import Read
from stages.shared.notes import Note, Span
from stages.synthesis import mix


@pytest.fixture
def arms(workdir):
    real = [Note(f"r{i}", f"g{i}", "uno dos tres cuatro", (Span(0, 3, "N"),)) for i in range(30)]
    invented = [Note(f"i{i}", f"i{i}", "cinco seis", (Span(0, 5, "N", 0.5),)) for i in range(200)]
    notes.write("real", real)
    notes.write("annotated", invented)
    lineage.write("real", [Read("c/0/train", "real", "content")])
    lineage.write("annotated", [Read("c/0/train", "real", "generator"), Read("c/0/train", "real", "tags")])
    return real, invented


def run(monkeypatch, ratio, seed=1):
    with open("params.yaml", "w") as file:
        yaml.safe_dump({"synthesis": {"mix": {"ratio": ratio}}}, file)
    folders = [
        "--annotated",
        "annotated",
        "--real",
        "real",
        "--synthetic",
        "out/synthetic",
        "--mixed",
        "out/mixed",
    ]
    monkeypatch.setattr(sys, "argv", ["mix", *folders, "--seed", str(seed)])
    mix.main()
    return list(notes.read("out/synthetic")), list(notes.read("out/mixed"))


@pytest.mark.parametrize(("ratio", "invented_notes"), [(1.0, 60), (2.0, 30), (4.0, 15), (0.1, 200)])
def test_the_mixed_arm_has_all_real_notes_and_invented_ones_by_ratio(
    arms, monkeypatch, ratio, invented_notes
):
    real, invented = arms
    synthetic, mixed = run(monkeypatch, ratio)
    assert synthetic == invented
    assert [note for note in mixed if note.note_id[0] == "r"] == real
    chosen = [note for note in mixed if note.note_id[0] == "i"]
    assert len(chosen) == invented_notes
    assert all(note in invented for note in chosen)
    assert len(mixed) == len({note.note_id for note in mixed})


def test_order_and_choice_come_from_the_seed(arms, monkeypatch):
    first = run(monkeypatch, 1.0, seed=1)[1]
    assert first == run(monkeypatch, 1.0, seed=1)[1]
    second = run(monkeypatch, 1.0, seed=2)[1]
    assert {note.note_id for note in first} != {note.note_id for note in second}
    turns = [note.note_id[0] for note in first]
    # Mixed all through, not one side after the other.
    assert all({"r", "i"} == set(turns[start : start + 30]) for start in (0, 30, 60))


def test_lineage_of_the_arms(arms, monkeypatch):
    run(monkeypatch, 1.0)
    annotated = lineage.read("annotated")
    assert lineage.read("out/synthetic") == annotated
    assert lineage.read("out/mixed") == annotated | {Read("c/0/train", "real", "content")}
