"""Which cells of the pipeline there are: section grid of params.yaml."""

from typing import ClassVar, Literal

from pydantic import Field

from stages.runtime.params import Section

Arm = Literal["real", "annotator", "synthetic", "mixed"]


class Grid(Section):
    """Which corpora, folds, seeds and variants are run. Every combination is one cell of a stage."""

    at: ClassVar[str] = "grid"

    demos: list[str]
    """Invented corpora to write; [] switches the demo off."""
    corpora: list[str] = Field(min_length=1)
    """Corpora to read. Each needs data/raw/<name>, added with `dvc add`, and an entry catalog.<name>."""
    synthesized: list[str]
    """Corpora of the first branch, which must be tagged: notes are invented from them, to train NER models on."""
    folds: list[int] = Field(min_length=1)
    """Folds to run. A corpus with an official split has only fold 0."""
    seeds: list[int] = Field(min_length=1)
    """Replicates. Each seed draws its own shares, generator, annotator and NER models."""
    arms: list[Arm] = Field(min_length=1)
    """NER models to train and compare, in the order of the tables."""
    ensembled: list[str]
    """Corpora for which several annotators are trained that vote; also set corpora.share.tagger to ensemble."""
    selftrained: list[str]
    """Corpora whose annotator is retrained, on invented notes too; also set corpora.share.tagger to selftrained."""
    released: list[Arm]
    """Arms whose model is packaged for use by others, which needs catalog.<corpus>.labels; [] for none."""
    packaged: list[Arm]
    """Arms whose model and invented notes are packaged for others (docs/release.md says when not); [] for none."""
    rewritten: list[str]
    """Corpora of the second branch, whose notes are rewritten; each needs catalog.<corpus>.rewriting."""
    sources: list[Literal["real", "unseen"]]
    """Texts to rewrite: real, the pieces of the notes; unseen, public texts, by the same models and prompts."""
    rephrasers: list[str]
    """Models that rewrite: keys of models.rephraser."""
    prompts: list[str]
    """Prompts that they are given: keys of pretraining.rephrase.prompts."""
    mixtures: list[str]
    """Corpora composed of pieces and rewritings: keys of pretraining.mix.mixtures, and the rows of the comparison."""
    tasks: list[str]
    """Downstream tasks on which the pretrained encoders are tested: keys of pretraining.probe.tasks."""
