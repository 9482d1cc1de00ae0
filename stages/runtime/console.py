"""What a stage prints: progress bars with a rate and an estimate, and one-line results."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress(
    iterable: Iterable[Any] | None = None, total: int | None = None, unit: str = "note", label: str = ""
) -> tqdm:
    """A progress bar on stderr around an iterable; without one, a bar to `update(n)` in a `with` block.

    Outside a terminal it prints a line every 30 seconds, so that log files stay short.
    """
    terminal = sys.stderr.isatty()
    pace = 0.2 if terminal else 30
    return tqdm(iterable, label, total, unit=unit, mininterval=pace, dynamic_ncols=terminal, leave=False)


def say(text: str) -> None:
    """Print a line on stdout, above any progress bar. Never note text."""
    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()
