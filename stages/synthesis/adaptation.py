"""An adapted decoder as synthesis_adapt leaves it for synthesis_generate: what it is, and how it is loaded."""

from pathlib import Path
from typing import Any, NamedTuple

from stages.lm import models
from stages.notes.units import Unit
from stages.runtime.errors import UserError
from stages.runtime.outputs import read_json, write_json

FILE = "adaptation.json"


class Adaptation(NamedTuple):
    """How a decoder was adapted; `base` is the digest of the base decoder."""

    method: str
    unit: Unit
    piece_words: int
    base: str


def write(folder: Path, adaptation: Adaptation) -> None:
    """Write the record of an adapted model beside its weights."""
    write_json(folder / FILE, adaptation._asdict())


def read(base: Path, folder: Path) -> Adaptation:
    """Return the record of an adapted model; UserError if it was adapted from another base decoder."""
    if not (folder / FILE).is_file():
        raise UserError(f"{folder}: no adapted model here; run `dvc repro` to make it")
    adaptation = Adaptation(**read_json(folder / FILE))
    if adaptation.base != models.digest(base):
        raise UserError(f"{folder}: was adapted from another base model than {base}; run `dvc repro synthesis_adapt`")
    return adaptation


def load(base: Path, folder: Path, method: str, precision: models.Precision) -> Any:
    """Return the adapted model on the CPU. An adapter is merged into the base weights, never into 4-bit weights.

    Raises UserError if it predicts exactly what the base predicts: then it was not adapted.
    """
    import torch

    model = models.load_decoder(base, precision)
    if method == "none":
        return model
    probe = torch.arange(3, 19)[None] % model.config.get_text_config().vocab_size

    def logits() -> Any:
        with torch.inference_mode():
            return model.eval()(input_ids=probe).logits

    before = logits()
    if method == "full":
        model = models.load_decoder(folder, precision)
    else:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(folder)).merge_and_unload()
    if torch.equal(before, logits()):
        raise UserError(f"{folder}: the adapted model predicts exactly what its base does; adaptation had no effect")
    return model
