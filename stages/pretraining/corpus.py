"""What the second branch needs to know about a corpus, and the files that its stages pass to one another."""

from typing import ClassVar

from pydantic import Field

from stages.runtime.params import Section

# Beside the accepted answers: how many were accepted, and how faithful all are.
SUMMARY = "summary.json"
# Losses of every text, without the text: part, note_id, group_id, nats, tokens and bytes. Intervals resample them.
LOSSES = "losses.parquet"


class Rewriting(Section):
    """How a corpus takes part in the second branch."""

    at: ClassVar[str] = "catalog.{corpus}.rewriting"

    clinical_notes: bool
    """Whether the texts are clinical notes. The claims are about those and are not tested on other texts."""
    unseen: list[str]
    """Public texts, folders of data/public, that are rewritten for the unseen baseline: as many tokens as the notes
    have. [] for none."""
    elsewhere: list[str] = Field(default=[])
    """Further public texts on which perplexity is measured, beside the notes of the test part."""
