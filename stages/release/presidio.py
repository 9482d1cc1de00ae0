"""A recogniser for Microsoft Presidio that finds what a model made here finds: `pip install .[presidio]`.

    registry.add_recognizer(Recogniser("data/models/ner/synthetic/demo-es/0/1", "es", {"PATIENT": "PERSON"}))

Not a DVC stage: it is for pipelines that have Presidio already.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from stages.ner.model import Tagger
from stages.shared.notes import Note


class Recogniser(EntityRecognizer):
    """The model's labels as Presidio's entities, under their own names or those that `names` gives them.

    Spans are those of our constrained decoder, scores those of their least certain word. Presidio's own context words
    and thresholds act on them as on any recogniser's.
    """

    def __init__(self, model: str | Path, language: str, names: Mapping[str, str] | None = None) -> None:
        self._tagger = Tagger.load(model)
        self._names = {label: (names or {}).get(label, label) for label in self._tagger.labels}
        super().__init__(
            supported_entities=sorted(set(self._names.values())),
            name=f"deidsynth {Path(model).name}",
            supported_language=language,
        )

    def load(self) -> None:
        """Nothing: the model is loaded when the recogniser is made, where a wrong folder is noticed."""

    def analyze(
        self, text: str, entities: Sequence[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Spans of the entities asked for."""
        (note,) = self._tagger.tag([Note("", "", text)])
        return [
            RecognizerResult(self._names[span.label], span.start, span.end, span.score)
            for span in note.spans
            if self._names[span.label] in entities
        ]
