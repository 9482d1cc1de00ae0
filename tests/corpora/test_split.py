from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stages.corpora import split
from stages.corpora.split import ROLES, Split
from stages.notes import note_table
from stages.notes.note_table import Note
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.outputs import read_json
from stages.runtime.params import parse, read
from tests.graph import ROOT
from tests.runs import run, write_params

SETTINGS = {
    "seed": 3,
    "folds": 4,
    "balance": "words",
    "prompts": 0.1,
    "select": 0.1,
    "audit": 0.2,
    "near_duplicates": {"words": 4, "share": 0.5, "common": 5},
}


def settings(**changes: object) -> Split:
    return Split.model_validate(SETTINGS | changes)


def entry(number: int, group: int, words: int = 1, part: str | None = None) -> split.Entry:
    return split.Entry(f"n{number}", f"g{group}", part, words, 0)


def corpus(groups: int = 60, part: str | None = None) -> list[Note]:
    """Two notes of 30 distinct words per group."""
    return [
        Note(f"n{group}-{copy}", f"g{group}", " ".join(f"w{group}v{copy}u{word}" for word in range(30)), (), part)
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
    leaked = split.describe(entries, role, 0)["test_notes_with_group_in"]
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
        parse(Split, "corpora.split", content)


def _stage(source: list[Note], **changes: object) -> dict:
    """The report of the stage, run in the working directory."""
    write_params({"corpora": {"split": SETTINGS | changes}})
    note_table.write("notes", source)
    run(split.split, corpus="demo", fold=0, notes="notes", out="out", report="report.json")
    return read_json("report.json")


def test_the_stage_writes_every_role_with_its_lineage(workdir: Path) -> None:
    source = corpus()
    source[0] = replace(source[0], text=source[2].text)
    report = _stage(source)
    written = {name: list(note_table.read(workdir / "out" / name)) for name in ROLES}
    assert sorted(n.note_id for part in written.values() for n in part) == sorted(n.note_id for n in source)
    by_id = {n.note_id: n for n in source}
    merged = {"n1-0", "n1-1"}
    for name, part in written.items():
        assert report["roles"][name]["notes"] == len(part) > 0
        assert report["roles"][name]["words"] == 30 * len(part)
        assert lineage.read(workdir / "out" / name) == {Read(f"demo/0/{name}", "real", "content")}
        for n in part:
            assert n == replace(by_id[n.note_id], group_id="g0" if n.note_id in merged else n.group_id)
    assert report["near_duplicate_pairs"] == 1
    assert {p.name for p in (workdir / "out").iterdir()} == set(ROLES)
    files = {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}
    _stage(source)
    assert {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()} == files


def test_prompts_may_be_none(workdir: Path) -> None:
    report = _stage(corpus(), prompts=0)
    assert report["roles"]["prompts"] == {"notes": 0, "groups": 0, "words": 0, "spans": 0}
    assert list(note_table.read(workdir / "out" / "prompts")) == []
    assert lineage.read(workdir / "out" / "prompts") == set()


def test_the_project_s_params_load() -> None:
    assert parse(Split, "corpora.split", read(ROOT / "params.yaml")).audit == 0.1
