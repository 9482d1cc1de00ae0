"""In the real Presidio, whose language model is an empty one: nothing can be downloaded."""

from importlib.util import find_spec

import pytest
import torch

from stages.lm import models
from stages.ner.tagger import Tagger
from stages.notes import tags
from stages.notes.note_table import Note
from stages.runtime.errors import UserError
from stages.runtime.outputs import write_json
from tests import tiny
from tests.ner.conftest import make_encoder

# Looked for and not imported: that takes three seconds, which `make test-fast` would spend on nothing.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("presidio_analyzer") is None, reason="needs the extra presidio"),
]

NAMES = {"NAME": "PERSON"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Random weights with a head wide enough that both labels are found."""
    folder = tmp_path_factory.mktemp("presidio")
    base = make_encoder(folder / "base", "modernbert")
    torch.manual_seed(0)
    network = models.load_encoder(base, tags.tag_names(["AGE", "NAME"]))
    torch.nn.init.normal_(network.classifier.weight, std=1.0)
    network.save_pretrained(folder / "model")
    models.load_tokenizer(base).save_pretrained(folder / "model")
    write_json(folder / "model/tagger.json", {"length": 32, "overlap": 8, "adjacent": 0.0})
    return folder / "model"


def engine(model):
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    from stages.release.presidio import Recogniser

    class Empty(SpacyNlpEngine):
        def __init__(self):
            super().__init__()
            self.nlp = {"es": spacy.blank("es")}

    registry = RecognizerRegistry(supported_languages=["es"])
    registry.add_recognizer(Recogniser(model, "es", NAMES))
    return AnalyzerEngine(registry=registry, nlp_engine=Empty(), supported_languages=["es"])


def test_presidio_finds_what_the_tagger_finds(model):
    text = " ".join(tiny.texts(4))
    (note,) = Tagger.load(model).tag([Note("", "", text)])
    found = engine(model).analyze(text, language="es")
    assert sorted((one.start, one.end, one.entity_type) for one in found) == [
        (span.start, span.end, NAMES.get(span.label, span.label)) for span in note.spans
    ]
    assert {one.entity_type for one in found} == {"PERSON", "AGE"}
    scores = {(span.start, span.end): span.score for span in note.spans}
    assert all(one.score == pytest.approx(scores[one.start, one.end]) for one in found)


def test_presidio_gets_the_entities_that_it_asks_for(model):
    text = " ".join(tiny.texts(4))
    found = engine(model).analyze(text, language="es", entities=["AGE"])
    assert {one.entity_type for one in found} == {"AGE"}
    assert engine(model).analyze("", language="es") == []


def test_a_folder_without_a_model(tmp_path):
    from stages.release.presidio import Recogniser

    with pytest.raises(UserError, match="no model trained by ner_train"):
        Recogniser(tmp_path, "es")
