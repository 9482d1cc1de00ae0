from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stages.ner import fitting
from stages.ner.fitting import Train
from tests import tiny
from tests.ner.conftest import LEARNED, SECTION, SELECT, table


@pytest.mark.slow
def test_a_killed_training_ends_with_the_weights_of_an_uninterrupted_one(modernbert, workdir, monkeypatch):
    table(Path("train"), "train", LEARNED)
    table(Path("select"), "select", SELECT)
    monkeypatch.setenv("DEIDSYNTH_DEVICE", "cpu")
    settings = Train.model_validate(SECTION | {"steps": 12, "hidden": 0.15})

    def fit(name, recorder):
        scratch = Path(f"{name}.scratch")
        for folder in (scratch, Path(name)):
            folder.mkdir(exist_ok=True)
        result = fitting.fit(modernbert, Path("train"), Path("select"), settings, 1, scratch, Path(name), recorder)
        return result, load_file(Path(name) / "model.safetensors")

    whole, expected = fit("whole", tiny.Recorder())
    with pytest.raises(tiny.Killed):
        fit("killed", tiny.KilledAt(6))
    recorder = tiny.Recorder()
    resumed, weights = fit("killed", recorder)
    assert min(step for step, _ in recorder.rows) == 5
    assert resumed == whole
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
