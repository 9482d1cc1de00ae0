from pathlib import Path

from stages.runtime import scratch
from stages.runtime.params import Section


class Settings(Section):
    temperature: float = 1.0


def key(cell=1, settings=None, stage="part.none", inputs=()) -> str:
    return scratch.fingerprint(stage, {"fold": cell}, {"settings": settings or Settings()}, map(Path, inputs))


def test_a_folder_is_private_found_again_and_removed(workdir):
    folder = scratch.folder("synthesis.generate", "f1")
    (folder / "chunk").write_text("1")
    assert folder == workdir / "data/.scratch/synthesis/generate/f1"
    assert scratch.folder("synthesis.generate", "f1") == folder and (folder / "chunk").read_text() == "1"
    assert {path.stat().st_mode & 0o777 for path in (folder, workdir / "data/.scratch")} == {0o700}
    scratch.remove([folder])
    assert not folder.exists()


def test_it_lies_in_the_main_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))
    assert scratch.folder("ner.train", "f1").is_relative_to(tmp_path / "main" / "data" / ".scratch")


def test_the_fingerprint_changes_with_settings_cell_and_content_only(workdir):
    notes = Path("notes")
    notes.mkdir()
    (notes / "a").write_text("1")
    first = key(inputs=[notes])
    assert key(inputs=[notes]) == first
    others = {key(settings=Settings(temperature=0.9), inputs=[notes]), key(cell=2, inputs=[notes]), key()}
    (notes / "a").rename(notes / "b")
    others.add(key(inputs=[notes]))
    (notes / "b").write_text("2")
    others.add(key(inputs=[notes]))
    assert len(others | {first}) == 6
    moved = notes.rename("elsewhere")
    (moved / "b").rename(moved / "a")
    (moved / "a").write_text("1")
    assert key(inputs=[moved]) == first


def test_the_fingerprint_changes_with_the_code_of_the_stage():
    # Two stages with the same cell, settings and inputs differ in their code alone.
    assert len({key(), key(stage="ner.train"), key(stage="corpora.split")}) == 3
