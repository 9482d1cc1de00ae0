"""Outputs are complete or absent, and equal results are equal bytes."""

from pathlib import Path

import pytest

from stages.runtime import outputs
from stages.runtime.outputs import building, read_json, write_json


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_and_a_folder_are_put_in_place_with_their_parents(tmp_path):
    with building(tmp_path / "a" / "file") as partial:
        partial.write_text("text")
        assert not (tmp_path / "a" / "file").exists()
    with building(tmp_path / "b" / "folder") as partial:
        partial.mkdir()
        (partial / "inside").write_text("more")
    assert names(tmp_path) == ["a", "a/file", "b", "b/folder", "b/folder/inside"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_deletes_what_was_built_and_keeps_the_earlier_output(tmp_path, error):
    earlier = tmp_path / "folder"
    earlier.mkdir()
    (earlier / "kept").write_text("text")
    with pytest.raises(error), building(earlier) as partial:
        partial.mkdir()
        (partial / "half").write_text("t")
        raise error
    assert names(tmp_path) == ["folder", "folder/kept"]
    with pytest.raises(error), building(tmp_path / "new") as partial:
        partial.write_text("half")
        raise error
    assert names(tmp_path) == ["folder", "folder/kept"]


def test_a_folder_replaces_the_earlier_one_whole_and_a_file_replaces_a_folder(tmp_path):
    for name in ("one", "two"):
        with building(tmp_path / "out") as partial:
            partial.mkdir()
            (partial / name).touch()
    assert names(tmp_path) == ["out", "out/two"]
    with building(tmp_path / "out") as partial:
        partial.write_text("file")
    assert names(tmp_path) == ["out"]


def test_a_link_is_replaced_and_what_it_points_to_is_kept(tmp_path):
    """DVC can link outputs to its cache, which must not change."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "kept").touch()
    (tmp_path / "out").symlink_to(tmp_path / "cache")
    with building(tmp_path / "out") as partial:
        partial.mkdir()
    assert names(tmp_path) == ["cache", "cache/kept", "out"]
    assert not (tmp_path / "out").is_symlink()


def test_the_remains_of_a_killed_run_are_removed(tmp_path):
    with building(tmp_path / "out") as partial:
        pass_by = partial
        partial.write_text("first")
    pass_by.mkdir()
    (pass_by / "remains").touch()
    with building(tmp_path / "out") as partial:
        assert not partial.exists()
        partial.write_text("second")
    assert names(tmp_path) == ["out"] and (tmp_path / "out").read_text() == "second"


def test_nothing_built_is_an_error_that_keeps_the_earlier_output(tmp_path):
    with pytest.raises(FileNotFoundError), building(tmp_path / "out"):
        pass
    assert names(tmp_path) == []
    (tmp_path / "out").touch()
    with pytest.raises(FileNotFoundError), building(tmp_path / "out"):
        pass
    assert names(tmp_path) == ["out"]


def test_equal_json_is_equal_bytes(tmp_path):
    write_json(tmp_path / "a", {"b": [1, 2.5, None], "ñ": "é", "a": {"y": 1, "x": True}})
    write_json(tmp_path / "b", {"a": {"x": True, "y": 1}, "ñ": "é", "b": [1, 2.5, None]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_text(encoding="utf-8") == (
        '{\n "a": {\n  "x": true,\n  "y": 1\n },\n "b": [\n  1,\n  2.5,\n  null\n ],\n "ñ": "é"\n}\n'
    )
    assert read_json(tmp_path / "a") == {"a": {"x": True, "y": 1}, "b": [1, 2.5, None], "ñ": "é"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), object()])
def test_what_json_cannot_hold_is_refused_and_the_earlier_file_kept(tmp_path, value):
    write_json(tmp_path / "out.json", [1])
    with pytest.raises((ValueError, TypeError)):
        outputs.write_json(tmp_path / "out.json", {"deep": [value]})
    assert read_json(tmp_path / "out.json") == [1]
    assert names(tmp_path) == ["out.json"]
