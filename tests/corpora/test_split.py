import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stages.corpora import split
from stages.corpora.split import ROLES, Params
from stages.shared import lineage, notes
from stages.shared.errors import UserError
from stages.shared.lineage import Read
from stages.shared.notes import Note
from stages.shared.params import load, parse

SETTINGS = {
    "seed": 3,
    "folds": 4,
    "balance": "words",
    "prompts": 0.1,
    "select": 0.1,
    "audit": 0.2,
    "near_duplicates": {"words": 4, "share": 0.5, "common": 5},
}


def settings(**changes: object) -> Params:
    return Params.model_validate(SETTINGS | changes)


def entry(number: int, group: int, words: int = 1, part: str | None = None) -> split.Entry:
    return split.Entry(f"n{number}", f"g{group}", part, words, 0)


def corpus(groups: int = 60, part: str | None = None) -> list[Note]:
    """Two notes of 30 distinct words per group."""
    return [
        Note(
            f"n{group}-{copy}",
            f"g{group}",
            " ".join(f"w{group}v{copy}u{word}" for word in range(30)),
            (),
            part,
        )
        for group in range(groups)
        for copy in range(2)
    ]


def groups_by_role(entries: list[split.Entry], role: dict[str, str]) -> dict[str, set[str]]:
    return {name: {e.group_id for e in entries if role[e.note_id] == name} for name in ROLES}


# Enough groups, none too heavy, for every role of every fold to get one.
SIZES = st.lists(st.lists(st.integers(50, 100), min_size=1, max_size=2), min_size=60, max_size=90)


@hypothesis_settings(max_examples=25, deadline=None)
@given(SIZES, st.integers(0, 9))
def test_roles_are_whole_groups_and_cover_every_note_once(sizes: list[list[int]], seed: int) -> None:
    pairs = [(group, words) for group, notes_of_group in enumerate(sizes) for words in notes_of_group]
    entries = [entry(number, group, words) for number, (group, words) in enumerate(pairs)]
    tested: Counter[str] = Counter()
    for fold in range(4):
        role = split.roles(entries, fold, settings(seed=seed))
        assert set(role) == {e.note_id for e in entries} and set(role.values()) == set(ROLES)
        groups = groups_by_role(entries, role)
        assert sum(map(len, groups.values())) == len(sizes)
        tested.update(groups["test"])
    assert tested == Counter({e.group_id for e in entries})


def test_roles_and_folds_have_their_shares_of_the_words() -> None:
    rng = Random(5)
    entries = [entry(number, number // 2, rng.randrange(50, 500)) for number in range(800)]
    total = sum(e.words for e in entries)
    for fold in range(4):
        role = split.roles(entries, fold, settings())
        share = {name: sum(e.words for e in entries if role[e.note_id] == name) / total for name in ROLES}
        assert share == pytest.approx(
            {"test": 0.25, "audit": 0.15, "select": 0.075, "prompts": 0.075, "train": 0.45}, abs=0.006
        )


def test_folds_differ_by_one_group_at_most_in_what_they_are_balanced_by() -> None:
    long = [entry(number, number, 1000) for number in range(100)]
    many = [entry(100 + number, 100 + number // 10, 1) for number in range(1000)]
    spread = {}
    for balance in ("words", "notes"):
        roles = [split.roles(long + many, fold, settings(balance=balance)) for fold in range(4)]
        tested = [[e for e in long + many if role[e.note_id] == "test"] for role in roles]
        sizes = [(sum(e.words for e in part), len(part)) for part in tested]
        spread[balance] = tuple(max(size) - min(size) for size in zip(*sizes, strict=True))
    assert spread["words"][0] <= 1000 < spread["notes"][0]
    assert spread["notes"][1] <= 10 < spread["words"][1]


def test_the_order_of_notes_decides_nothing_and_the_seed_all() -> None:
    entries = [entry(number, number // 2, 10) for number in range(200)]
    role = split.roles(entries, 1, settings())
    assert split.roles(entries[::-1], 1, settings()) == role
    assert split.roles(entries, 1, settings(seed=4)) != role


def test_an_official_split_is_fold_0_and_keeps_its_test_notes() -> None:
    entries = [entry(n, n // 2, 10, "test" if n < 41 else "train") for n in range(200)]
    role = split.roles(entries, 0, settings())
    assert {note_id for note_id, name in role.items() if name == "test"} == {f"n{n}" for n in range(41)}
    # Group 20 is in both parts.
    leaked = split.report(entries, role, 0)["test_notes_with_group_in"]
    assert leaked == {name: int(name == role["n41"]) for name in ROLES if name != "test"}
    with pytest.raises(UserError, match=r"no fold 1; this corpus has an official split, which is fold 0"):
        split.roles(entries, 1, settings())


def test_a_fold_that_is_not_there() -> None:
    with pytest.raises(UserError, match="no fold 4; this corpus has folds 0 to 3"):
        split.roles([entry(n, n) for n in range(100)], 4, settings())


@pytest.mark.parametrize(
    ("groups", "changes", "message"),
    [
        (40, {"prompts": 0.001}, "role prompts: .* raise prompts"),
        (3, {"audit": 0, "prompts": 0, "select": 0.5}, "role test: .* lower folds"),
        (5, {"audit": 0.7, "select": 0.1, "prompts": 0.19}, "no note is left for the role"),
    ],
)
def test_a_role_without_notes_is_refused(groups: int, changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        for fold in range(4):
            split.roles([entry(n, n) for n in range(groups)], fold, settings(**changes))


def test_shares_must_leave_training_notes() -> None:
    content = {"corpora": {"split": SETTINGS | {"audit": 0.8}}}
    with pytest.raises(UserError, match=r"corpora\.split: .*must be below 1"):
        parse(Params, "corpora.split", content)


def near(one: str, other: str, **changes: object) -> tuple[set[str], int]:
    """Groups after the survey of two notes of different groups, and pairs."""
    chosen = split.NearDuplicates.model_validate(SETTINGS["near_duplicates"] | changes)
    entries, pairs = split.survey([Note("a", "ga", one), Note("b", "gb", other)], chosen)
    return {e.group_id for e in entries}, pairs


WORDS = [f"w{number}" for number in range(40)]


def test_near_duplicates_share_half_of_the_shorter_note_s_n_grams() -> None:
    text = " ".join(WORDS)
    # 11 words hold 8 n-grams of 4 words; of the note below, 4 stand in the text.
    half = " ".join([*WORDS[:7], "x1", "x2", "x3", "x4"])
    less = " ".join([*WORDS[:6], "x1", "x2", "x3", "x4", "x5"])
    assert near(text, half) == ({"ga"}, 1)
    assert near(text, less) == ({"ga", "gb"}, 0)
    assert near(text, text.upper().replace(" ", "\n")) == ({"ga"}, 1)
    # Shorter than one n-gram: only if all words agree.
    assert near("so it is", "So  it is") == ({"ga"}, 1)
    assert near("so it is", "so it was") == ({"ga", "gb"}, 0)
    assert near("", "") == ({"ga", "gb"}, 0)


def test_boilerplate_of_many_notes_is_no_evidence_but_whole_copies_are() -> None:
    chosen = split.NearDuplicates.model_validate(SETTINGS["near_duplicates"])
    header = " ".join(WORDS[:20])
    forms = [Note(f"n{n}", f"g{n}", f"{header} only{n}") for n in range(6)]
    entries, pairs = split.survey(forms, chosen)
    assert (len({e.group_id for e in entries}), pairs) == (6, 0)
    entries, pairs = split.survey(forms[:5], chosen)
    assert ({e.group_id for e in entries}, pairs) == ({"g0"}, 10)
    copies = [replace(form, text=header) for form in forms]
    entries, pairs = split.survey(copies, chosen)
    assert ({e.group_id for e in entries}, pairs) == ({"g0"}, 5)


def test_groups_linked_through_a_third_become_one() -> None:
    chosen = split.NearDuplicates.model_validate(SETTINGS["near_duplicates"])
    texts = [("c", "one two three four five"), ("b", "six seven eight nine ten"), ("d", "x y z")]
    links = [("b", "one two three four five"), ("a", "six seven eight nine ten")]
    entries, pairs = split.survey([Note(f"{g}{t}", g, t) for g, t in texts + links], chosen)
    assert ([e.group_id for e in entries], pairs) == (["a", "a", "d", "a", "a"], 2)


def _stage(folder: Path, source: list[Note], monkeypatch: pytest.MonkeyPatch, **changes: object) -> dict:
    (folder / "params.yaml").write_text(yaml.safe_dump({"corpora": {"split": SETTINGS | changes}}))
    notes.write(folder / "notes", source)
    monkeypatch.chdir(folder)
    arguments = "split --notes notes --corpus demo --fold 0 --out out --report report.json"
    monkeypatch.setattr(sys, "argv", arguments.split())
    split.main()
    return json.loads((folder / "report.json").read_text())


def test_the_stage_writes_every_role_with_its_lineage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = corpus()
    source[0] = replace(source[0], text=source[2].text)
    report = _stage(tmp_path, source, monkeypatch)
    written = {name: list(notes.read(tmp_path / "out" / name)) for name in ROLES}
    assert sorted(n.note_id for part in written.values() for n in part) == sorted(n.note_id for n in source)
    by_id = {n.note_id: n for n in source}
    merged = {"n1-0", "n1-1"}
    for name, part in written.items():
        assert report["roles"][name]["notes"] == len(part) > 0
        assert report["roles"][name]["words"] == 30 * len(part)
        assert lineage.read(tmp_path / "out" / name) == {Read(f"demo/0/{name}", "real", "content")}
        for n in part:
            assert n == replace(by_id[n.note_id], group_id="g0" if n.note_id in merged else n.group_id)
    assert report["near_duplicate_pairs"] == 1
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(ROLES)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    _stage(tmp_path, source, monkeypatch)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files


def test_prompts_may_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = _stage(tmp_path, corpus(), monkeypatch, prompts=0)
    assert report["roles"]["prompts"] == {"notes": 0, "groups": 0, "words": 0, "spans": 0}
    assert list(notes.read(tmp_path / "out" / "prompts")) == []
    assert lineage.read(tmp_path / "out" / "prompts") == set()


def test_the_project_s_params_load() -> None:
    assert load(Params, "corpora.split").audit == 0.1
