"""What all benchmarks share: alternating repeats, a Markdown table, a record in results/benchmarks."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from scripts.study import machine
from stages.runtime import markdown as md
from stages.runtime.console import say
from stages.runtime.outputs import write_json

RESULTS = Path(__file__).resolve().parents[1] / "results" / "benchmarks"
# Largest difference of two logits that counts as rounding.
TOLERANCE = 1e-4


def same_threads() -> None:
    """Give tokenizers as many threads as torch; a stock pipeline would otherwise switch theirs off for everyone."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    if "OMP_NUM_THREADS" in os.environ:
        os.environ.setdefault("RAYON_NUM_THREADS", os.environ["OMP_NUM_THREADS"])


def alternate(variants: dict[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """The median rate of each variant. A variant returns the units of work done; all run once in every repeat."""
    rates: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(repeats):
        for name, variant in variants.items():
            start = time.perf_counter()
            units = variant()
            rates[name].append(units / (time.perf_counter() - start))
    return {name: round(median(values), 3) for name, values in rates.items()}


def markdown(header: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table."""
    return "\n".join(md.table(header, rows))


def report(name: str, table: str, content: dict[str, Any], out: str | Path) -> None:
    """Print the table, and write the numbers, with the machine they were measured on, to `out`/`name`.json."""
    say(table)
    write_json(Path(out) / f"{name}.json", content | {"machine": machine()})
