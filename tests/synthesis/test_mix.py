from pathlib import Path

import pytest

from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.outputs import read_json
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
    copies = {"ngram": 4, "share": 0.5, "passage": 8}
    runs.write_params({"synthesis": {"mix": {"ratio": ratio, "held_back": held_back}, "copies": copies}})
    folders = {"annotated": "annotated", "real": "real", "synthetic": "out/synthetic", "mixed": "out/mixed"}
    runs.run(mix, corpus="c", fold=0, seed=seed, **folders, metrics="out/metrics.json")
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
    # Which notes are left out tells something of the real ones that they were compared with.
    assert lineage.read("out/synthetic") == annotated | {Read("c/0/train", "real", "selection")}
    assert lineage.read("out/mixed") == annotated | {Read("c/0/train", "real", "content")}


def test_a_share_of_the_invented_notes_is_in_no_arm(arms):
    _, invented = arms
    synthetic, mixed = run(0.1, held_back=0.05)
    held_back = list(note_table.read("out/synthetic/held_back"))
    assert len(held_back) == 10
    assert sorted(note.note_id for note in (*synthetic, *held_back)) == sorted(note.note_id for note in invented)
    assert not {note.note_id for note in held_back} & {note.note_id for note in mixed}
    assert [note.note_id for note in mixed if note.note_id[0] == "i"] == [note.note_id for note in synthetic]
    assert lineage.read("out/synthetic/held_back") == lineage.read("out/synthetic")
    run(0.1, seed=2, held_back=0.05)
    assert list(note_table.read("out/synthetic/held_back")) != held_back


def test_nothing_is_held_back_where_nothing_is_asked_for(arms):
    run(1.0)
    assert not Path("out/synthetic/held_back").exists()


def words(prefix: str, count: int) -> str:
    return " ".join(f"{prefix}{chr(97 + place // 26)}{chr(97 + place % 26)}" for place in range(count))


def test_copies_of_real_notes_are_in_no_arm(arms):
    """Of 480 invented notes, 21 are copies: whole, with other words here and there, or of a passage."""
    real = [Note(f"r{i}", f"g{i}", words(f"r{chr(97 + i)}", 40), (Span(0, 4, "N"),)) for i in range(21)]
    short = Note("r", "g", "Alta hoy.", ())
    note_table.write("real", [*real, short])

    def copy(number: int) -> str:
        source = real[number].text.split()
        if number < 7:  # white space and case make no difference
            return "  ".join(source).upper()
        if number < 14:  # every eighth word is another
            return " ".join(word if place % 8 else "otra" for place, word in enumerate(source))
        return f"{words(f'v{chr(97 + number)}', 40)} {' '.join(source[:9])}"

    copies = [Note(f"c{i}", f"c{i}", copy(i)) for i in range(21)]
    allowed = [
        Note("p", "p", f"{words('w', 40)} {' '.join(real[0].text.split()[:8])}"),
        Note("s", "s", "Alta hoy no."),
    ]
    invented = [Note(f"i{i}", f"i{i}", words(f"i{chr(97 + i // 26)}{chr(97 + i % 26)}", 10)) for i in range(457)]
    note_table.write("annotated", [*invented[:200], *copies, *allowed, *invented[200:], Note("t", "t", "alta HOY .")])
    synthetic, mixed = run(0.01, held_back=0.1)
    held_back = list(note_table.read("out/synthetic/held_back"))
    kept = {note.note_id for note in (*synthetic, *held_back)}
    assert kept == {note.note_id for note in (*invented, *allowed)}
    assert {note.note_id for note in mixed} == {note.note_id for note in (*synthetic, *real, short)}
    assert read_json("out/metrics.json") == {
        "notes": 481,
        "copies": {"exact": 8, "near": 7, "passage": 7},
        "held_back": len(held_back),
        "synthetic": len(synthetic),
    }


def test_nothing_but_copies_is_an_error(arms):
    note_table.write("annotated", arms[0])
    with pytest.raises(UserError, match="every invented note copies a real one"):
        run(1.0)
