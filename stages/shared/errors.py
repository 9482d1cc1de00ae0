"""One clear message for a person's mistake, and no note text in any other failure."""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from stages.shared.quiet import silence


class UserError(Exception):
    """Something a person can mend: the message names the file, the line or key, and the remedy.

    The message never quotes a note: it goes to logs.
    """


def at(path: str | Path, line: int | None = None) -> str:
    """`path:line`, the form editors make clickable."""
    return f"{path}:{line}" if line else str(path)


def run(main: Callable[[], None]) -> NoReturn:
    """Run a stage's `main`, offline and without telemetry, and leave with 0, or with 1 after one message.

    A library's exception may quote the data it choked on, so of an unexpected failure only its type and the
    places in the code are printed. `DEIDSYNTH_DEBUG=1` prints everything: for invented notes only.
    """
    silence()
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        if os.environ.get("DEIDSYNTH_DEBUG") == "1":
            raise
        for frame in traceback.extract_tb(error.__traceback__):
            print(f"  {frame.filename}:{frame.lineno} in {frame.name}", file=sys.stderr)
        print(
            f"error: {type(error).__name__} at the place above. Its message may quote notes and is not shown; "
            "set DEIDSYNTH_DEBUG=1 to see it.",
            file=sys.stderr,
        )
        sys.exit(1)
    sys.exit(0)
