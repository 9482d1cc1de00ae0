"""What a person sees while a stage runs: a progress bar with rate and estimate, and one-line results."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress(
    iterable: Iterable[Any] | None = None, total: int | None = None, unit: str = "note", label: str = ""
) -> tqdm:
    """Iterate with a progress bar on stderr; without an iterable, a bar to `update(n)` inside `with`.

    A log file gets a line every half minute instead of ten a second.
    """
    terminal = sys.stderr.isatty()
    return tqdm(
        iterable,
        total=total,
        unit=unit,
        desc=label or None,
        file=sys.stderr,
        mininterval=0.2 if terminal else 30,
        dynamic_ncols=terminal,
        leave=False,
    )


def say(text: str) -> None:
    """Print one line of result on stdout, above any progress bar. Never note text."""
    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()
