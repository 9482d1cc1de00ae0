from pathlib import Path

import pytest

from stages.generation.requests import Answer, AnswerStore

FIRST, SECOND = Answer("uno\ndos", True, 2), Answer("tres, señor", False, 3)


@pytest.fixture
def path(workdir: Path) -> Path:
    store = AnswerStore(workdir / "answers.jsonl")
    store.add("a", FIRST)
    store.add("b", SECOND)
    return store.path


def test_answers_are_found_again(path):
    store = AnswerStore(path)
    assert (store["a"], store["b"]) == (FIRST, SECOND)
    assert "a" in store and "c" not in store


def test_a_key_keeps_its_first_answer(path):
    content = path.read_bytes()
    store = AnswerStore(path)
    store.add("a", SECOND)
    assert store["a"] == FIRST
    assert path.read_bytes() == content


def test_opening_a_store_rewrites_nothing(path):
    """What lies between two answers after a crash stays as well; only the end of a line that a kill cut off goes."""
    first, second = path.read_bytes().splitlines(keepends=True)
    damaged = first + b"\0" * 50 + b'\n{"key": "c"}\n["d"]\n' + second
    path.write_bytes(damaged + first[:9])
    writes = path.stat().st_ino
    store = AnswerStore(path)
    assert (store["a"], store["b"], "c" in store, "d" in store) == (FIRST, SECOND, False, False)
    assert path.read_bytes() == damaged and path.stat().st_ino == writes


@pytest.mark.parametrize("cut", [1, 10])
def test_an_answer_that_a_kill_cut_off_is_absent(path, cut):
    content = path.read_bytes()
    path.write_bytes(content[:-cut])
    store = AnswerStore(path)
    assert "a" in store and "b" not in store
    store.add("b", SECOND)
    assert path.read_bytes() == content
    assert AnswerStore(path)["b"] == store["b"] == SECOND
