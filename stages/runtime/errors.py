"""One clear message for an error that the user can fix, and no note text in any other failure."""

import faulthandler
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from stages.runtime.quiet import silence

# What Python, SQLite and Rust libraries say when a disk or a quota is full.
_FULL = ("No space left on device", "Disk quota exceeded", "disk is full", "StorageFull")
_HIDDEN = "its message may quote notes and is not shown; set DEIDSYNTH_DEBUG=1 to see it"


class UserError(Exception):
    """An error that the user can fix. Its message names the file, the line or key, and the remedy.

    It ends up in logs, so it never quotes a note, nor the label or id of one, which may be text.
    """


def at(path: str | Path, line: int | None = None) -> str:
    """`path:line`, which editors make clickable."""
    return f"{path}:{line}" if line else str(path)


def run(main: Callable[[], None]) -> None:
    """Run a program offline and without telemetry; if it fails, exit with 1 after one message.

    The message of a library's exception may quote the data that caused it. So for an unexpected exception only its
    type and the lines of code are printed, wherever it was raised: a thread, a clean-up, a logger, a panic of Rust
    code. DEIDSYNTH_DEBUG=1 prints everything: use it with invented notes only.
    """
    silence()
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding shows a question mark for what it does not have.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    shown = os.environ.get("DEIDSYNTH_DEBUG") == "1"
    if not shown:
        hide_messages()
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except BaseException as error:
        if shown or isinstance(error, SystemExit):
            raise
        if not isinstance(error, KeyboardInterrupt):
            sys.exit(places(error))
        # Python would show what was being handled when Ctrl-C came.
        print("error: interrupted; finished parts are kept", file=sys.stderr)
        sys.exit(130)


def hide_messages() -> None:
    """Show where an exception was raised and not its message, for exceptions that no caller can catch."""

    def show(error: BaseException | None) -> None:
        if error is not None:
            print(places(error), file=sys.stderr)

    def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made = logging.LogRecord(*args, **kwargs)
        if made.exc_info and made.exc_info[1]:
            # The message that is logged with an exception often quotes it.
            made.msg, made.args, made.exc_info = places(made.exc_info[1]), (), None
        return made

    logging.setLogRecordFactory(record)
    threading.excepthook = lambda raised: show(raised.exc_value)
    sys.unraisablehook = lambda raised: show(raised.exc_value)


def keep_native_code_silent() -> None:
    """Take file descriptor 2 from native code: a panic of Rust code writes there what it was working on.

    What Python prints to stderr is still shown. Call it once, at the start of a process that reads notes.
    """
    if os.environ.get("DEIDSYNTH_DEBUG") == "1" or sys.stderr is not sys.__stderr__:
        return
    shown = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    sys.stderr = os.fdopen(shown, "w", buffering=1, errors="backslashreplace")
    # After a crash of native code this still says which line called it.
    faulthandler.enable(sys.stderr)


def places(error: BaseException) -> str:
    """Return the lines of code through which an exception came and its type, without its message."""
    if any(sign in str(one) for one in _chain(error) for sign in _FULL):
        return "error: the disk is full, or a quota is; free some space and run again: finished parts are kept"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}\n" for frame in frames]
    return f"{''.join(lines)}error: {type(error).__name__} at the line above; {_HIDDEN}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
