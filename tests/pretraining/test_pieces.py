import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.pretraining import pieces
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from tests import tiny
from tests.runs import run, write_params

TOKENIZER = tiny.tokenizer()
NOTE = """Motivo: fiebre alta.

Acude por tos seca. Se pauta reposo; control en 3 semanas.
Firma: Ana Ruiz

Nota al pie."""


def cut(text: str, size: int) -> list[str]:
    return [text[start:end] for start, end in pieces.cut(text, TOKENIZER.backend_tokenizer, size)]


def length(text: str) -> int:
    return len(TOKENIZER(text, add_special_tokens=False)["input_ids"])


def test_paragraphs_stay_together_while_they_fit():
    assert cut(NOTE, 200) == [NOTE]
    assert cut(NOTE, 34) == [NOTE.partition("\n\nNota")[0], "Nota al pie."]
    assert cut(NOTE, 25) == NOTE.split("\n\n")


def test_a_long_paragraph_is_cut_at_sentences_and_lines():
    assert cut(NOTE, 16)[:3] == [
        "Motivo: fiebre alta.",
        "Acude por tos seca. Se pauta reposo; control en 3 semanas.",
        "Firma: Ana Ruiz",
    ]


def test_a_long_sentence_is_cut_between_words_and_a_long_word_between_tokens():
    words = "reposo " * 30
    assert set(" ".join(cut(words, 20)).split()) == {"reposo"}
    parts = cut("x" * 50, 20)
    assert "".join(parts) == "x" * 50
    assert len(parts) == 3


@given(st.text(alphabet=st.sampled_from("ab áé.;\n\t7x"), max_size=200), st.integers(16, 60))
def test_nothing_but_white_space_is_lost_and_no_piece_is_too_long(text, size):
    spans = pieces.cut(text, TOKENIZER.backend_tokenizer, size)
    assert all(after[0] >= before[1] for before, after in pairwise(spans))
    parts = [text[start:end] for start, end in spans]
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(part == part.strip() and part for part in parts)
    assert all(length(part) <= size for part in parts)


@pytest.fixture
def project(workdir: Path) -> Path:
    train = [Note(f"n{i}", f"g{i}", text, (Span(0, 6, "ID"),)) for i, text in enumerate(tiny.texts(10))]
    note_table.write(workdir / "train", train)
    lineage.write(workdir / "train", [Read("demo/0/train", "real", "content")])
    tiny.decoder(workdir / "base")
    public = workdir / "public" / "cases"
    public.mkdir(parents=True)
    rows = [json.dumps({"note_id": f"p{i}", "text": text}) for i, text in enumerate(tiny.texts(40))]
    (public / "text.jsonl").write_text("\n".join(rows) + "\n")
    return workdir


def divide(unseen=("cases",), tokens=20, total=None) -> dict:
    settings = {
        "pretraining": {"pieces": {"tokens": tokens, "total": total}},
        "catalog": {"demo": {"rewriting": {"clinical_notes": True, "unseen": list(unseen), "elsewhere": []}}},
    }
    write_params(settings)
    paths = {"notes": "train", "public": "public", "tokenizer": "base", "real": "real", "unseen": "unseen"}
    run(pieces.divide, corpus="demo", fold=0, **paths, metrics="pieces.json")
    return json.loads(Path("pieces.json").read_text())


def test_both_baselines_get_as_many_tokens(project):
    counts = divide()
    real, unseen = list(note_table.read("real")), list(note_table.read("unseen"))
    tokens = [sum(length(piece.text) for piece in side) for side in (real, unseen)]
    assert [counts["real"]["tokens"], counts["unseen"]["tokens"]] == tokens
    assert tokens[0] <= tokens[1] < tokens[0] + 20
    assert len(real) == counts["real"]["pieces"] > 10
    texts = {note.note_id: note.text for note in note_table.read("train")}
    for piece in real:
        start = piece.provenance["start"]
        assert texts[piece.provenance["note"]][start : start + len(piece.text)] == piece.text
    assert {piece.group_id for piece in real} == {f"g{i}" for i in range(10)}
    assert lineage.read("real") == {Read("demo/0/train", "real", "content")}
    assert lineage.read("unseen") == {Read("cases", "public", "content")}


def test_the_first_pieces_until_their_total_is_reached(project):
    divide()
    every = list(note_table.read("real"))
    counts = divide(total=100)
    kept = list(note_table.read("real"))
    assert kept == every[: len(kept)]
    assert 100 <= counts["real"]["tokens"] < 120
    assert counts["real"]["tokens"] <= counts["unseen"]["tokens"] < counts["real"]["tokens"] + 20


def test_whole_notes(project):
    assert divide(tokens=None)["real"]["pieces"] == 10
    assert [piece.text for piece in note_table.read("real")] == tiny.texts(10)


def test_too_little_public_text(project):
    rows = Path("public/cases/text.jsonl").read_text().splitlines()
    Path("public/cases/text.jsonl").write_text("\n".join(rows[:4]))
    with pytest.raises(UserError, match=r"catalog\.demo\.rewriting\.unseen has \d+ tokens, the notes \d+"):
        divide()
    assert not Path("real").exists()


def test_tags_stay_with_their_piece_and_a_cut_one_is_in_both():
    text = "uno dos tres cuatro cinco seis"
    note = Note("n", "g", text, (Span(4, 7, "A"), Span(8, 25, "B")))
    made = list(pieces.pieces([note], TOKENIZER.backend_tokenizer, 16))
    assert len(made) > 1
    found = [(piece.surface(span), span.label) for piece in made for span in piece.spans]
    assert ("dos", "A") in found
    assert "".join(surface for surface, label in found if label == "B").replace(" ", "") == "trescuatrocinco"
