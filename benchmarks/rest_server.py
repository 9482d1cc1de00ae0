"""Throughput and latency of `mlflow models serve` on notes of 200 words, against the packaged model in process."""

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from benchmarks.common import RESULTS, alternate, markdown, report
from benchmarks.served import served_by_mlflow
from stages.notes import note_table
from stages.runtime.errors import UserError, run

WORDS, BATCH = 200, 32


def texts(table: str, count: int) -> list[str]:
    """Return `count` texts of WORDS words, cut from the concatenated notes, which are repeated as often as needed."""
    words = [word for note in note_table.read(table) for word in note.text.split(" ")]
    if not words:
        raise UserError(f"{table}: no notes")
    while len(words) < count * WORDS:
        words += words
    return [" ".join(words[first : first + WORDS]) for first in range(0, count * WORDS, WORDS)]


def ask(address: str, batch: list[str]) -> list[dict[str, Any]]:
    """Return the server's predictions for a batch: one dict with `text` and `spans` per text."""
    body = json.dumps({"dataframe_split": {"columns": ["text"], "data": [[text] for text in batch]}})
    request = Request(address, body.encode(), {"Content-Type": "application/json"})
    with build_opener(ProxyHandler({})).open(request, timeout=300) as response:
        return json.load(response)["predictions"]


def measure(model: str, table: str, batches: int, repeats: int, log: Path) -> dict[str, Any]:
    """Return rates in notes per second for batches of BATCH, and latencies of single notes in milliseconds.

    Raises UserError if server and model find different spans.
    """
    import mlflow
    import pandas

    given = texts(table, batches * BATCH)
    cut = [given[first : first + BATCH] for first in range(0, len(given), BATCH)]
    loaded = mlflow.pyfunc.load_model(model)

    def in_process(batch: list[str]) -> list[str]:
        return loaded.predict(pandas.DataFrame({"text": batch}))["spans"].to_list()

    with served_by_mlflow(model, log) as address:
        if [row["spans"] for row in ask(address, cut[0])] != in_process(cut[0]):
            raise UserError("the server and the model in process find different spans")
        rates = alternate(
            {
                "in process": lambda: sum(len(in_process(batch)) for batch in cut),
                "server": lambda: sum(len(ask(address, batch)) for batch in cut),
            },
            repeats,
        )
        seconds = []
        for text in given:
            start = time.perf_counter()
            ask(address, [text])
            seconds.append(time.perf_counter() - start)
    return {
        "notes_per_second": rates,
        "ratio": round(rates["server"] / rates["in process"], 3),
        "single_note_p50_ms": round(1000 * quantiles(seconds, n=20)[9], 1),
        "single_note_p95_ms": round(1000 * quantiles(seconds, n=20)[18], 1),
        "settings": {"words": WORDS, "batch": BATCH, "batches": batches, "repeats": repeats},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder written by release_model")
    parser.add_argument("--notes", required=True, help="note table that texts are cut from")
    parser.add_argument("--batches", type=int, default=8, help="number of batches of 32 notes")
    parser.add_argument("--repeats", type=int, default=3, help="repetitions; rates are medians over them")
    parser.add_argument("--out", default=RESULTS, help="folder to write the results to")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(args.model, args.notes, args.batches, args.repeats, Path(folder) / "log")
    rows: list[list[Any]] = [[f"{name}, notes per second", rate] for name, rate in found["notes_per_second"].items()]
    rows += [["server / in process", found["ratio"]]]
    rows += [[f"one note, {part}, ms", found[f"single_note_{part}_ms"]] for part in ("p50", "p95")]
    report("rest_server", markdown(["batches of 32, notes of 200 words", ""], rows), found, args.out)


if __name__ == "__main__":
    run(main)
