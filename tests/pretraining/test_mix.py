import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.pretraining.mix import mix
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from tests import tiny
from tests.runs import run, write_params

WRITERS = ("a/plain", "b/plain")
TOKENIZER = tiny.tokenizer()


def write(folder: str, texts: dict[str, str], origin: str) -> None:
    # The last word of a piece is tagged; shuffled, the offsets mean nothing.
    tags = {name: (Span(len(text) - 2, len(text), "NAME"),) for name, text in texts.items()}
    rows = [Note(name, f"g-{name}", text, tags[name], provenance={"note": name}) for name, text in texts.items()]
    note_table.write(Path(folder), rows)
    lineage.write(Path(folder), [Read(f"{origin}-notes", origin, "content")])


@pytest.fixture
def project(workdir: Path) -> Path:
    """12 real and 12 public pieces; of the answers of writer a the first, of b the last piece was left out."""
    tiny.decoder(workdir / "base")
    texts = tiny.texts(24)
    for side, origin, of in (("real", "real", texts[:12]), ("unseen", "public", texts[12:])):
        pieces = {f"{side}{i:02}": text for i, text in enumerate(of)}
        write(f"texts/{side}/pieces/demo/0", pieces, origin)
        for writer, kept in ((WRITERS[0], list(pieces)[1:]), (WRITERS[1], list(pieces)[:-1])):
            answers = {name: f"{writer}: {pieces[name]}" for name in kept}
            write(f"texts/{side}/{writer}/demo/0", answers, "rewritten-real" if side == "real" else origin)
    return workdir


def make(parts: dict[str, float], tokens=None, repeat=1, rephrasers=("a", "b")) -> tuple[list[Note], dict]:
    mixtures = {"m": {"parts": parts, "repeat": repeat}}
    settings = {
        "grid": {"rephrasers": list(rephrasers), "prompts": ["plain"]},
        "pretraining": {"mix": {"tokens": tokens, "seed": 1, "mixtures": mixtures}},
    }
    write_params(settings)
    run(mix, mixture="m", corpus="demo", fold=0, texts="texts", tokenizer="base", out="out", metrics="m.json")
    return list(note_table.read("out")), json.loads(Path("m.json").read_text())


def length(of: list[Note]) -> int:
    return sum(len(TOKENIZER(note.text, add_special_tokens=False)["input_ids"]) for note in of)


def pieces(of: list[Note]) -> Counter:
    return Counter(note.provenance["piece"] for note in of)


COMMON = {f"real{i:02}" for i in range(1, 11)}


def test_all_parts_tell_of_the_pieces_that_every_writer_kept(project):
    real, counts = make({"real": 1})
    assert pieces(real) == Counter(COMMON)
    assert counts == {
        "parts": {"real": {"pieces": 10, "source_pieces": 10, "tokens": length(real)}},
        "tokens": length(real),
        "budget": length(real),
        "repeat": 1,
    }
    assert not any(note.spans for note in (*real, *make({"shuffled": 1})[0]))
    one, _ = make({"rephrased/a/plain": 1})
    assert pieces(one) == Counter(COMMON)
    assert all(note.text.startswith("a/plain: ") for note in one)
    # All prompts of a rephraser: here there is one.
    assert [note.text for note in make({"rephrased/a": 1})[0]] == [note.text for note in one]
    unseen, _ = make({"unseen/b/plain": 1})
    assert pieces(unseen) == Counter({name.replace("real", "unseen") for name in COMMON})
    assert pieces(make({"public": 1})[0]) == pieces(unseen)


def test_one_part_has_the_pieces_that_a_writer_failed_on_too(project):
    made, _ = make({"all": 1})
    assert pieces(made) == Counter([f"real{i:02}" for i in range(12)])


def test_a_side_that_no_part_is_of_need_not_be_there(project):
    shutil.rmtree("texts/unseen")
    assert pieces(make({"real": 1, "rephrased": 1}, tokens=50)[0]) <= Counter(dict.fromkeys(COMMON, 9))


def test_where_nobody_rewrites_all_pieces_take_part(project):
    real, _ = make({"real": 1}, rephrasers=[])
    assert len(real) == 12
    with pytest.raises(UserError, match=r"no part rephrased; .* there are real, all, public, shuffled"):
        make({"rephrased": 1}, rephrasers=[])


def test_several_writers_take_turns(project):
    every, _ = make({"rephrased": 1})
    assert pieces(every) == Counter(dict.fromkeys(COMMON, 2))
    assert len({note.note_id for note in every}) == 20
    # The first turn has every piece once, by both writers alike.
    first = every[:10]
    assert pieces(first) == Counter(COMMON)
    assert Counter(note.text[0] for note in first) == {"a": 5, "b": 5}


def test_each_part_gets_its_multiple_of_the_tokens(project):
    both, counts = make({"real": 1, "rephrased": 2}, tokens=100, repeat=2)
    real = [note for note in both if note.note_id.startswith("real:")]
    made = [note for note in both if note.note_id.startswith("rephrased:")]
    longest = max(length([note]) for note in both)
    assert 100 <= length(real) < 100 + longest
    assert 200 <= length(made) < 200 + longest
    assert len(real) + len(made) == len(both)
    assert (counts["budget"], counts["repeat"]) == (300, 2)
    assert counts["parts"]["rephrased"]["tokens"] == length(made)
    # All mixtures draw their pieces in one order.
    alone, _ = make({"real": 1}, tokens=100)
    assert [note.text for note in alone] == [note.text for note in real]


def test_without_a_number_the_smallest_part_sets_it(project):
    _, counts = make({"real": 1, "rephrased": 1})
    tokens = {name: part["tokens"] for name, part in counts["parts"].items()}
    assert counts["parts"]["real"]["pieces"] == 10
    assert 0 <= tokens["rephrased"] - tokens["real"] < 60


def test_a_mixture_without_parts_is_empty(project):
    made, counts = make({})
    assert made == []
    assert counts == {"parts": {}, "tokens": 0, "budget": 0, "repeat": 1}
    assert lineage.read("out") == set()


def test_shuffled_pieces_keep_their_words_only(project):
    real = {note.provenance["piece"]: note.text for note in make({"real": 1})[0]}
    mixed, _ = make({"shuffled": 1})
    for note in mixed:
        text = real[note.provenance["piece"]]
        assert Counter(note.text.split()) == Counter(text.split())
        assert note.text.split() != text.split()
    assert [note.text for note in make({"shuffled": 1})[0]] == [note.text for note in mixed]


def test_lineage_is_that_of_the_parts_read(project):
    make({"real": 1, "unseen": 1})
    assert lineage.read("out") == {Read("real-notes", "real", "content"), Read("public-notes", "public", "content")}
    make({"rephrased": 1})
    assert lineage.read("out") == {Read("rewritten-real-notes", "rewritten-real", "content")}


@pytest.mark.parametrize(
    ("parts", "tokens", "message"),
    [
        ({"real": 1}, 10**6, r"wants 1000000 tokens of real, which has \d+"),
        (
            {"rephrased/c/plain": 1},
            None,
            r"mixtures\.m: no part rephrased/c/plain; .* there are real, all, public, shuffled",
        ),
        ({"copies": 1}, None, r"no part copies"),
        ({"rephrased/a/pla": 1}, None, r"no part rephrased/a/pla;"),
    ],
)
def test_a_mixture_that_cannot_be_made(project, parts, tokens, message):
    with pytest.raises(UserError, match=message):
        make(parts, tokens)
    assert not Path("out").exists()
