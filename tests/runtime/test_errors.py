"""What a failing program prints: places, and no text, through every door that an exception can leave by."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MARKER = "Juana Secreta"

DOORS = {
    "an exception": "raise ValueError(text)",
    "a panic of Rust code": "raise type('PanicException', (BaseException,), {})(text)",
    "an exception in a thread": (
        "import threading\n thread = threading.Thread(target=int, args=[text]); thread.start(); thread.join()"
    ),
    "an exception while another is handled": "try:\n  int(text)\n except ValueError:\n  raise KeyboardInterrupt",
    "an exception in a clean-up": "type('Dirty', (), {'__del__': lambda self: int(text)})()",
    "an exception that a library logs": (
        "import logging\n try:\n  int(text)\n except ValueError as error:\n"
        "  logging.getLogger('library').exception('failed on %s', text)"
    ),
    "an exception that nobody awaited": (
        "import asyncio, gc\n"
        " async def fails(): int(text)\n"
        " async def main():\n"
        "  task = asyncio.ensure_future(fails()); await asyncio.sleep(0); del task; gc.collect()\n"
        " asyncio.run(main())"
    ),
    "native code": "import os; keep_native_code_silent(); os.write(2, text.encode())",
}


def failing(body: str, **environment: str) -> subprocess.CompletedProcess:
    code = (
        "from stages.runtime.errors import UserError, keep_native_code_silent, run\n"
        f"text = {MARKER!r}\ndef main():\n {body}\nrun(main)\n"
    )
    command = [sys.executable, "-c", code]
    settings = {"PATH": "", **environment}
    return subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, encoding="utf-8", errors="replace")


@pytest.mark.parametrize("door", DOORS)
def test_no_text_leaves_by(door):
    done = failing(DOORS[door])
    assert MARKER not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if door in ("an exception", "a panic of Rust code"):
        assert done.returncode == 1
        assert "<string>:4 in main" in done.stderr
    elif door != "native code":
        assert "ValueError at the line above" in done.stderr or "interrupted" in done.stderr


@pytest.mark.parametrize("door", DOORS)
def test_the_search_would_find_it(door):
    """With DEIDSYNTH_DEBUG=1, every door shows the text."""
    assert MARKER in failing(DOORS[door], DEIDSYNTH_DEBUG="1").stderr


def test_python_still_prints_when_native_code_may_not():
    done = failing("keep_native_code_silent(); raise UserError('data/raw/a.ann:3: no label')")
    assert (done.returncode, done.stderr) == (1, "error: data/raw/a.ann:3: no label\n")


@pytest.mark.parametrize(
    "write",
    [
        "open('/dev/full', 'wb', buffering=0).write(b'note')",
        "import pyarrow; pyarrow.OSFile('/dev/full', 'wb').write(b'note')",
        "raise type('SafetensorError', (Exception,), {})('Os { code: 28, kind: StorageFull }')",
        "try:\n  open('/dev/full', 'wb', buffering=0).write(b'note')\n except OSError:\n  int(text)",
    ],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_named(write):
    done = failing(write)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the disk is full")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_of_another_encoding_shows_what_it_has(encoding):
    done = failing("print('recall → 0.9 ± 0.1 señal'); raise UserError('señal → mal')", PYTHONIOENCODING=encoding)
    assert done.returncode == 1
    assert "recall ? 0.9" in done.stdout and "error: se" in done.stderr and "Traceback" not in done.stderr


def test_an_interrupted_program_says_so():
    done = failing("raise KeyboardInterrupt")
    assert (done.returncode, done.stderr) == (130, "error: interrupted; finished parts are kept\n")
