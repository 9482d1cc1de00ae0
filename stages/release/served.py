"""The packaged model as MLflow loads it: it returns de-identified notes and the spans found in them.

Its input is a table with a column `text`, and optionally `note_id` and `patient`; the dates of a patient are shifted
by the same number of days in all requests to a loaded model. Its output has one row per note: `text`, de-identified
by the policy that the request names, and `spans`, JSON with offsets into the original text. Notes may have any length
and hold any Unicode characters; nothing is logged, and no error quotes a note.

Shifts and surrogates derive from the key in the file DEIDSYNTH_SITE_KEY, by default data/.site-key of a checkout of
this project; elsewhere each loaded model draws its own.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import mlflow
import pandas
from mlflow.models.utils import _enforce_params_schema
from mlflow.pyfunc import PythonModel, scoring_server

from stages.ner.tagger import Tagger
from stages.notes.note_table import Note
from stages.release.deidentify import Deidentifier, site_key
from stages.runtime.errors import UserError, places
from stages.runtime.outputs import read_json

# The file beside the model with language, kinds of labels, policies and the name of the default policy.
SETTINGS = "release.json"


class Served(PythonModel):
    """The model that `mlflow models predict` and `mlflow models serve` run."""

    def load_context(self, context: Any) -> None:
        """Load the tagger and the policies."""
        folder = context.artifacts["model"]
        self._tagger = Tagger.load(folder)
        settings = read_json(Path(folder) / SETTINGS)
        self._policy, key = settings["policy"], _key()
        self._by_policy = {
            name: Deidentifier(settings["kinds"], policy, settings["language"], key)
            for name, policy in settings["policies"].items()
        }
        scoring_server.parse_csv_input = _strings
        # The module itself: what `mlflow` has under this name is loaded lazily.
        sys.modules["mlflow.pyfunc"]._enforce_params_schema = _params  # type: ignore[attr-defined]

    def predict(self, context: Any, model_input: pandas.DataFrame, params: dict[str, Any] | None = None) -> Any:
        """Return one row per note, in the order given. UserError for an unknown policy and a table without texts."""
        name = (params or {}).get("policy") or self._policy
        if name not in self._by_policy:
            raise UserError(f"no such policy; there are {', '.join(sorted(self._by_policy))}")
        try:
            rows = [
                self._row(note, self._by_policy[name](note).text) for note in self._tagger.tag(_notes(model_input))
            ]
        except UserError:
            raise
        except BaseException as error:
            # The messages of libraries may quote what they worked on.
            raise RuntimeError(places(error)) from None
        return pandas.DataFrame(rows, columns=["text", "spans"])

    def _row(self, note: Note, text: str) -> dict[str, str]:
        spans = [
            {"start": span.start, "end": span.end, "label": span.label, "score": round(span.score or 0.0, 6)}
            for span in note.spans
        ]
        return {"text": text, "spans": json.dumps(spans)}


def _notes(table: Any) -> list[Note]:
    """The notes of a table. A missing text becomes an empty one; a note without patient is a patient of its own.

    UserError for a table without texts, and for a text that is not a string.
    """
    if not isinstance(table, pandas.DataFrame) or "text" not in table.columns:
        raise UserError("the input needs a column text")
    texts = ["" if missing else text for text, missing in zip(table["text"], table["text"].isna(), strict=True)]
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise UserError(f"row {number}: text is a {type(text).__name__}, not a string")
    numbers = [f"\0{number}" for number in range(len(table))]
    names = _ids(table, "note_id", numbers)
    patients = _ids(table, "patient", [f"\0{name}" for name in names])
    return list(map(Note, names, patients, texts))


def _ids(table: pandas.DataFrame, column: str, otherwise: list[str]) -> list[str]:
    """A column of ids as strings, with others where one is missing or empty. UserError for what is no id."""
    if column not in table.columns:
        return otherwise
    values = zip(table[column], table[column].isna(), otherwise, strict=True)
    ids = [other if missing is True or str(value).strip() == "" else value for value, missing, other in values]
    for number, value in enumerate(ids):
        if not isinstance(value, str | int):
            raise UserError(f"row {number}: {column} is a {type(value).__name__}; write it as a string")
    return [str(value) for value in ids]


def _strings(csv_input: Any, schema: Any = None) -> pandas.DataFrame:
    """Read a CSV table as MLflow does, but as strings: 007 is no number, and NA may be all that a note says."""
    try:
        return pandas.read_csv(csv_input, dtype=str, keep_default_na=False)
    except (ValueError, OSError):
        raise UserError("the input is not a CSV table in UTF-8 with a header") from None


def _params(params: Any, schema: Any) -> Any:
    """Check parameters as MLflow does, for other models too, but those of this one without its failings.

    MLflow only warns of a parameter that is none, and goes on with the default policy; and it quotes the notes where
    it refuses a value.
    """
    if schema is None or [param.name for param in schema.params] != ["policy"]:
        return _enforce_params_schema(params, schema)
    if not isinstance(params or {}, dict) or set(params or {}) - {"policy"}:
        raise UserError("the only parameter is policy")
    if not isinstance((params or {}).get("policy", ""), str):
        raise UserError("policy is the name of a policy, a string")
    return params or {}


def _key() -> bytes | None:
    """The site's key; None outside a checkout of this project, if the environment names none."""
    default = "data/.site-key" if Path("dvc.yaml").is_file() and Path("data").is_dir() else ""
    path = os.environ.get("DEIDSYNTH_SITE_KEY", default)
    return site_key(Path(path)) if path else None


mlflow.models.set_model(Served())
