"""What a stage prints: progress bars with a rate and an estimate, and one-line results."""

import os
import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def first_process() -> bool:
    """Whether this is the only process or the first one of torchrun: the one that writes, logs and prints."""
    return os.environ.get("RANK", "0") == "0"


def progress(
    iterable: Iterable[Any] | None = None, total: int | None = None, unit: str = "note", label: str = ""
) -> tqdm:
    """A progress bar on stderr around an iterable; without one, a bar to `update(n)` in a `with` block.

    Outside a terminal it prints a line every 30 seconds, so that log files stay short.
    """
    terminal = sys.stderr.isatty()
    pace, hidden = 0.2 if terminal else 30, not first_process()
    return tqdm(
        iterable, label, total, unit=unit, mininterval=pace, dynamic_ncols=terminal, leave=False, disable=hidden
    )


def say(text: str) -> None:
    """Print a line on stdout, above any progress bar. Never note text."""
    if first_process():
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()
