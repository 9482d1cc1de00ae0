import pytest

from stages.lm import models
from stages.runtime.errors import UserError
from stages.synthesis import adaptation
from tests import tiny


def test_an_adaptation_without_effect_is_an_error(workdir):
    base = tiny.decoder(workdir / "base")
    models.load_decoder(base).save_pretrained("copy")
    with pytest.raises(UserError, match="adaptation had no effect"):
        adaptation.load(base, workdir / "copy", "full", "fp32")
    other = tiny.decoder(workdir / "other", seed=1)
    assert adaptation.load(base, other, "full", "bf16").dtype.itemsize == 2
