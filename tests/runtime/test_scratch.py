import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stages.runtime import scratch
from stages.runtime.errors import UserError
from stages.runtime.params import Section
from stages.runtime.scratch import Claim

ROOT = Path(__file__).resolve().parents[2]


class Settings(Section):
    temperature: float = 1.0


def key(cell=1, settings=None, stage="part.none", inputs=()) -> str:
    return scratch.fingerprint(stage, {"fold": cell}, {"settings": settings or Settings()}, map(Path, inputs))


def test_a_folder_is_private_found_again_and_removed(workdir):
    claim = Claim("synthesis.generate", "f1")
    (claim.folder / "chunk").write_text("1")
    assert claim.folder == workdir / "data/.scratch/synthesis/generate/f1"
    claim.release(finished=False)
    claim = Claim("synthesis.generate", "f1")
    assert (claim.folder / "chunk").read_text() == "1"
    assert {path.stat().st_mode & 0o777 for path in (claim.folder, workdir / "data/.scratch")} == {0o700}
    claim.release(finished=True)
    assert list(claim.folder.parent.iterdir()) == []


def test_it_lies_in_the_main_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))
    assert Claim("ner.train", "f1").folder.is_relative_to(tmp_path / "main" / "data" / ".scratch")


@pytest.fixture
def other(workdir):
    """Another process that has claimed a folder and works in it."""
    code = (
        "import sys; from stages.runtime.scratch import Claim; claim = Claim('ner.train', 'f1')\n"
        "(claim.folder / 'checkpoint').write_text('paid'); print('claimed', flush=True); sys.stdin.read()\n"
        "claim.release(finished=True)"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, **pipes)
    assert process.stdout.readline() == b"claimed\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_neither_reads_nor_deletes_what_the_first_writes(other):
    checkpoint = Path("data/.scratch/ner/train/f1/checkpoint")
    with pytest.raises(UserError, match=r"another process computes ner\.train of the same cell"):
        Claim("ner.train", "f1")
    scratch.clear()
    assert checkpoint.read_text() == "paid"
    Claim("ner.train", "f2")  # another cell is free


def test_a_killed_process_leaves_its_folder_to_the_next(other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    claim = Claim("ner.train", "f1")
    assert (claim.folder / "checkpoint").read_text() == "paid"
    claim.release(finished=False)
    scratch.clear()
    assert list(Path("data/.scratch/ner/train").iterdir()) == []


def test_a_process_may_wait_for_the_other(other, capsys):
    threading.Timer(0.5, other.stdin.close).start()
    claim = Claim("ner.train", "f1", wait=True)
    assert capsys.readouterr().out == "waiting: another process computes this cell\n"
    # The first has finished, and deleted its folder before the second got one of its own.
    assert list(claim.folder.iterdir()) == []
    with pytest.raises(UserError):
        Claim("ner.train", "f1")


def test_the_processes_of_torchrun_share_the_claim(other, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    claim = Claim("ner.train", "f1")
    claim.release(finished=True)
    assert (claim.folder / "checkpoint").read_text() == "paid"


def test_two_processes_do_not_write_one_output(workdir):
    with scratch.alone("ner.train", [Path("out"), Path("metrics")]):
        with (
            pytest.raises(UserError, match="another process"),
            scratch.alone("ner.train", [Path("out"), Path("metrics")]),
        ):
            pass
        with scratch.alone("ner.train", [Path("other")]):
            pass


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
