"""One clear message for an error that the user can fix, and no note text in any other failure."""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from stages.runtime.quiet import silence


class UserError(Exception):
    """An error that the user can fix. Its message names the file, the line or key, and the remedy.

    It ends up in logs, so it never quotes a note.
    """


def at(path: str | Path, line: int | None = None) -> str:
    """`path:line`, which editors make clickable."""
    return f"{path}:{line}" if line else str(path)


def run(main: Callable[[], None]) -> None:
    """Run a program offline and without telemetry; if it fails, exit with 1 after one message.

    The message of a library's exception may quote the data that caused it. So for an unexpected exception only its
    type and the lines of code are printed. DEIDSYNTH_DEBUG=1 prints everything: use it with invented notes only.
    """
    silence()
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        if os.environ.get("DEIDSYNTH_DEBUG") == "1":
            raise
        for frame in traceback.extract_tb(error.__traceback__):
            print(f"  {frame.filename}:{frame.lineno} in {frame.name}", file=sys.stderr)
        sys.exit(
            f"error: {type(error).__name__} at the line above. Its message may quote notes and is not shown; "
            "set DEIDSYNTH_DEBUG=1 to see it."
        )
