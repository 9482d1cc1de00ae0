"""A recogniser for Microsoft Presidio that finds what one of our models finds: `pip install .[presidio]`.

    registry.add_recognizer(Recogniser("data/models/ner/synthetic/demo-es/0/1", "es", {"PATIENT": "PERSON"}))

It is no DVC stage but for pipelines that use Presidio already.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from stages.ner.tagger import Tagger
from stages.notes.note_table import Note


class Recogniser(EntityRecognizer):
    """Finds a model's labels as entities of Presidio, under their own names or those given by `names`.

    Spans are those of our constrained decoder; the score of a span is that of its least certain word. Presidio's
    context words and thresholds apply as to any other recogniser.
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
        """Do nothing: the model is loaded in the constructor, so that a wrong folder is noticed at once."""

    def analyze(
        self, text: str, entities: Sequence[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Return the spans of the requested entities."""
        (note,) = self._tagger.tag([Note("", "", text)])
        return [
            RecognizerResult(self._names[span.label], span.start, span.end, span.score or 0.0)
            for span in note.spans
            if self._names[span.label] in entities
        ]
