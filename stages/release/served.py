"""The packaged model, as MLflow loads it: notes in, their spans and the notes without what identifies out.

A table with a column `text` (and, if there are any, `note_id` and `patient`, whose dates then shift by the same
number of days) gives a table with `text`, de-identified by the policy that params name, and `spans` of the text as it
came, as JSON.
Notes of any length and any Unicode; nothing is logged.
"""

import json
from pathlib import Path
from typing import Any

import mlflow
import pandas

from stages.ner.model import Tagger
from stages.release import deidentify
from stages.shared.errors import UserError
from stages.shared.notes import Note
from stages.shared.outputs import read_json

# File beside the model: language, kinds of its labels, policies, the default one.
SETTINGS = "release.json"


class Served(mlflow.pyfunc.PythonModel):
    """What `mlflow models predict` and `mlflow models serve` run."""

    def load_context(self, context: Any) -> None:
        """Load the tagger and the policies."""
        folder = context.artifacts["model"]
        self._tagger = Tagger.load(folder)
        self._settings = read_json(Path(folder) / SETTINGS)

    def predict(
        self, context: Any, model_input: pandas.DataFrame, params: dict[str, Any] | None = None
    ) -> Any:
        """A row for every note, in the order given."""
        name = (params or {}).get("policy") or self._settings["policy"]
        if name not in self._settings["policies"]:
            raise UserError(f"no policy {name}; there are {', '.join(sorted(self._settings['policies']))}")
        deidentifier = deidentify.Deidentifier(
            self._settings["kinds"], self._settings["policies"][name], self._settings["language"]
        )
        rows = []
        for note in self._tagger.tag(_notes(model_input)):
            spans = [
                {"start": span.start, "end": span.end, "label": span.label, "score": round(span.score, 6)}
                for span in note.spans
            ]
            rows.append({"text": deidentifier(note).text, "spans": json.dumps(spans)})
        return pandas.DataFrame(rows, columns=["text", "spans"])


def _notes(table: pandas.DataFrame) -> list[Note]:
    """Notes of a table; a missing text is an empty one, and a note without a patient is its own.

    UserError for a text that is something else.
    """
    names = table["note_id"] if "note_id" in table else [str(number) for number in range(len(table))]
    patients = table["patient"] if "patient" in table else names
    return [
        Note(str(name), str(patient), _text(text, number))
        for number, (name, patient, text) in enumerate(zip(names, patients, table["text"], strict=True))
    ]


def _text(value: Any, number: int) -> str:
    if isinstance(value, str):
        return value
    if value is None or value is pandas.NA or value != value:
        return ""
    raise UserError(f"row {number}: text is a {type(value).__name__} and no string")


mlflow.models.set_model(Served())
