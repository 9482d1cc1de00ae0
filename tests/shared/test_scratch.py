from pathlib import Path

import pytest

from stages.shared.params import Section
from stages.shared.scratch import fingerprint, scratch


class Settings(Section):
    temperature: float = 1.0


def test_folder_goes_when_the_block_succeeds_and_stays_when_it_fails(workdir):
    with pytest.raises(ValueError), scratch("synthesis/generate", "f1") as folder:
        (folder / "chunk").write_text("1")
        raise ValueError
    assert folder == workdir / "data/.scratch/synthesis/generate/f1"
    with scratch("synthesis/generate", "f1") as folder:
        assert (folder / "chunk").read_text() == "1"
    assert not folder.exists()


def test_private_and_in_the_main_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))
    with scratch("ner/train", "f1") as folder:
        assert folder.is_relative_to(tmp_path / "main" / "data" / ".scratch")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "main/data/.scratch").stat().st_mode & 0o777 == 0o700


def test_fingerprint_changes_with_params_values_and_content_only(workdir):
    notes = Path("notes")
    notes.mkdir()
    (notes / "a").write_text("1")
    first = fingerprint(Settings(), "demo-es", 1, inputs=[notes])
    assert fingerprint(Settings(), "demo-es", 1, inputs=[notes]) == first
    others = {
        fingerprint(Settings(temperature=0.9), "demo-es", 1, inputs=[notes]),
        fingerprint(Settings(), "demo-es", 2, inputs=[notes]),
        fingerprint(Settings(), "demo-es", 1),
    }
    (notes / "a").rename(notes / "b")
    others.add(fingerprint(Settings(), "demo-es", 1, inputs=[notes]))
    (notes / "b").write_text("2")
    others.add(fingerprint(Settings(), "demo-es", 1, inputs=[notes]))
    assert len(others | {first}) == 6
    moved = notes.rename("elsewhere")
    (moved / "b").rename(moved / "a")
    (moved / "a").write_text("1")
    assert fingerprint(Settings(), "demo-es", 1, inputs=[moved]) == first
