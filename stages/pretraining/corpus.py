"""What the second branch has to know of a corpus, and the files that its stages hand to one another."""

import polars as pl

from stages.shared.params import Section

# Beside the answers that were accepted: how many were, and how faithful all are.
SUMMARY = "summary.json"
# Losses of every text, without the text: what intervals resample.
LOSSES = "losses.parquet"
LOSSES_SCHEMA = {
    "part": pl.String,
    "note_id": pl.String,
    "group_id": pl.String,
    "nats": pl.Float64,
    "tokens": pl.Int64,
    "bytes": pl.Int64,
}


class Rewriting(Section):
    """Section corpora.<corpus>.rewriting."""

    clinical_notes: bool
    unseen: list[str]
    elsewhere: list[str]
    servers_permitted: bool
