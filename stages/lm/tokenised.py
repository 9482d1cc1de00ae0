"""Tokenised text as a memory-mapped `datasets.Dataset`: a corpus larger than memory trains as a small one does."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.notes.note_table import CHUNK, batched

if TYPE_CHECKING:
    from datasets import Dataset


def dataset(
    rows: Callable[[], Iterable[Mapping[str, Sequence[int] | np.ndarray]]],
    folder: Path,
    name: str = "tokens",
    columns: Sequence[str] = ("input_ids", "labels"),
) -> "Dataset":
    """The rows, lists of integers by column, in an Arrow file of `folder`; items are numpy arrays of int64.

    A file of this name that an earlier run left there is read instead of made again. Token numbers are as private as
    the text, so `folder` is the stage's scratch folder and never the library's own cache.
    """
    import datasets

    path = folder / f"{name}.arrow"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        schema = pa.schema([(column, pa.list_(pa.int32())) for column in columns])
        # Processes of torchrun may write the same file at the same time.
        partial = path.with_suffix(f".{os.getpid()}")
        with pa.OSFile(str(partial), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
            for chunk in batched(rows(), CHUNK):
                writer.write_batch(pa.RecordBatch.from_pylist(chunk, schema))
        os.replace(partial, path)
    return datasets.Dataset.from_file(str(path)).with_format("numpy")


def lengths(of: "Dataset", column: str = "input_ids") -> np.ndarray:
    """Number of tokens of every row, without reading the tokens."""
    return pc.list_value_length(of.data.column(column)).to_numpy().astype(np.int64)
