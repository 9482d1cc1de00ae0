"""How long a model trains."""

from pydantic import Field, model_validator

from stages.shared.params import Section


class Budget(Section):
    """Keys of a training's section: steps, or epochs (passes over what is learnt from), the other null."""

    steps: int | None = Field(ge=1)
    epochs: float | None = Field(gt=0)

    @model_validator(mode="after")
    def _one_budget(self) -> "Budget":
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(
                "give either steps (equal for all arms) or epochs (as in the paper), the other null"
            )
        return self
