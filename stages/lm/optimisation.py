"""Settings that every training of a model shares."""

from typing import Literal, Self

from pydantic import Field, model_validator

from stages.runtime.params import Section


class Optimisation(Section):
    """The optimiser and its schedule."""

    batch: int = Field(ge=1)
    """Batch size: examples per optimiser step, whatever fits into memory at once."""
    optimizer: Literal["adamw", "muon"]
    """adamw, or muon, which trains small models from random weights in about a third of the steps."""
    learning_rate: float = Field(gt=0)
    """Peak learning rate."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """Learning-rate schedule after warm-up: linear or cosine decay to zero, or constant."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises from zero to its peak."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay, as in AdamW."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of training: fp32, or bf16 autocast on hardware that has it."""


class LanguageModelling(Optimisation):
    """Training of a language model from blocks of text: causal for a decoder, masked for an encoder."""

    context: int = Field(ge=8)
    """Block length in tokens. Texts are packed end to end, so nothing is cut off and nothing is padded."""
    mask: float | None = Field(default=None, gt=0, lt=1)
    """Share of the tokens that an encoder has to predict; decoders ignore it."""


class Budget(Section):
    """The length of a training: either steps or epochs, the other null."""

    steps: int | None = Field(default=None, ge=1)
    """Optimiser steps, the same for every arm, so no arm looks better because another was under-trained."""
    epochs: float | None = Field(default=None, gt=0)
    """Passes over the training data instead, so that more text is trained on for longer."""

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps (equal for all arms) or epochs (as in the paper), the other null")
        return self

    def steps_for(self, size: int, per_step: int) -> int:
        """Optimiser steps of the training, if one epoch reads `size` examples or tokens, `per_step` in a step."""
        return self.steps or steps_of(self.epochs or 0.0, size, per_step)


def steps_of(epochs: float, size: int, per_step: int) -> int:
    """Optimiser steps that `epochs` passes over `size` examples or tokens take, at `per_step` of them a step."""
    return max(1, round(epochs * size / per_step))
