"""Which cells there are: section grid."""

from typing import Literal

from pydantic import Field

from stages.shared import params


class Grid(params.Section):
    """Section grid."""

    demos: list[str]
    corpora: list[str] = Field(min_length=1)
    synthesized: list[str]
    folds: list[int] = Field(min_length=1)
    seeds: list[int] = Field(min_length=1)
    arms: list[Literal["real", "annotator", "synthetic", "mixed"]] = Field(min_length=1)
    ensembled: list[str]
    selftrained: list[str]
    released: list[Literal["real", "annotator", "synthetic", "mixed"]]
    packaged: list[Literal["real", "annotator", "synthetic", "mixed"]]
    rewritten: list[str]
    sources: list[Literal["real", "unseen"]]
    rephrasers: list[str]
    prompts: list[str]
    mixtures: list[str]
    tasks: list[str]
