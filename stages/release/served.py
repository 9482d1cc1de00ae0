"""The packaged model as MLflow loads it: it returns de-identified notes and the spans found in them.

Its input is a table with a column `text`, and optionally `note_id` and `patient`; the dates of a patient are shifted
by the same number of days. Its output has one row per note: `text`, de-identified by the policy that the request
names, and `spans`, JSON with offsets into the original text. Notes may have any length and hold any Unicode
characters; nothing is logged.
"""

import json
from pathlib import Path
from typing import Any

import mlflow
import pandas
from mlflow.pyfunc import PythonModel

from stages.ner.tagger import Tagger
from stages.notes.note_table import Note
from stages.release.deidentify import Deidentifier
from stages.runtime.errors import UserError
from stages.runtime.outputs import read_json

# The file beside the model with language, kinds of labels, policies and the name of the default policy.
SETTINGS = "release.json"


class Served(PythonModel):
    """The model that `mlflow models predict` and `mlflow models serve` run."""

    def load_context(self, context: Any) -> None:
        """Load the tagger and the policies."""
        folder = context.artifacts["model"]
        self._tagger = Tagger.load(folder)
        self._settings = read_json(Path(folder) / SETTINGS)

    def predict(self, context: Any, model_input: pandas.DataFrame, params: dict[str, Any] | None = None) -> Any:
        """Return one row per note, in the order given. UserError for an unknown policy."""
        policies = self._settings["policies"]
        name = (params or {}).get("policy") or self._settings["policy"]
        if name not in policies:
            raise UserError(f"no policy {name}; there are {', '.join(sorted(policies))}")
        deidentify = Deidentifier(self._settings["kinds"], policies[name], self._settings["language"])
        rows = []
        for note in self._tagger.tag(_notes(model_input)):
            spans = [
                {"start": span.start, "end": span.end, "label": span.label, "score": round(span.score or 0.0, 6)}
                for span in note.spans
            ]
            rows.append({"text": deidentify(note).text, "spans": json.dumps(spans)})
        return pandas.DataFrame(rows, columns=["text", "spans"])


def _notes(table: pandas.DataFrame) -> list[Note]:
    """The notes of a table. A missing text becomes an empty one; without patients, each note is a patient of its own.

    UserError for a text that is not a string.
    """
    texts = ["" if missing else text for text, missing in zip(table["text"], table["text"].isna(), strict=True)]
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise UserError(f"row {number}: text is a {type(text).__name__}, not a string")
    names = table.get("note_id", range(len(table)))
    patients = table.get("patient", names)
    return [Note(str(name), str(patient), text) for name, patient, text in zip(names, patients, texts, strict=True)]


mlflow.models.set_model(Served())
