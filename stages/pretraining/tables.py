"""The comparison of mixtures as Markdown tables."""

from collections.abc import Mapping, Sequence

import polars as pl

from stages.pretraining.claims import Claim
from stages.runtime import markdown
from stages.scoring import intervals

# Columns by their heads: what a row of the comparison says in them.
_PERPLEXITY = {
    "texts": "{of}",
    "pretrained on": "{mixture}",
    "bits per byte (95 %)": "**{bits_per_byte:.3f}** ({low:.3f}–{high:.3f})",
    "minus {reference} (95 %)": "{minus}",
    "perplexity": "{perplexity:.1f}",
    "source pieces": "{source_pieces:,.0f}",
    "unique tokens": "{unique_tokens:,.0f}",
    "tokens trained on": "{tokens_trained:,.0f}",
    "passes": "{passes:.1f}",
}
_DOWNSTREAM = {
    "task": "{of}",
    "encoder pretrained on": "{mixture}",
    "score (95 %)": "**{score:.3f}** ({low:.3f}–{high:.3f})",
    "minus {reference} (95 %)": "{minus}",
    "macro": "{macro:.3f}",
    "test texts": "{test}",
}
_DIFFERENCE = "{:+.3f} ({:+.3f} to {:+.3f})"


def report(
    predicted: pl.DataFrame, downstream: pl.DataFrame, writers: pl.DataFrame, claims: Sequence[Claim], reference: str
) -> str:
    """All tables, and what the verdicts are about."""
    about = "The rewriting models were trained elsewhere, so the verdicts are about them."
    if not writers.height or writers["trained_here"].any():
        about = (
            "A rewriting model was trained here, so the verdicts check the apparatus: they say nothing about large "
            "models."
        )
    tested = [
        [name, statement, _DIFFERENCE.format(*difference) if difference else "—", verdict]
        for name, statement, difference, verdict in claims
    ]
    no_task = ["No downstream task: grid.tasks is empty."]
    lines = [
        *_scored(predicted, _PERPLEXITY, reference),
        "",
        *(_scored(downstream, _DOWNSTREAM, reference) if downstream.height else no_task),
        "",
        *_writers(writers),
        "",
        *markdown.table(["claim", "tested as", "difference (95 %)", "verdict"], tested),
        "",
        f"{_replicates(predicted['replicates'][0])}. Groups of texts are drawn the same for all rows. "
        f"{about} docs/rephrasing.md explains every number.",
        "",
    ]
    return "\n".join(lines)


def _replicates(number: int) -> str:
    few = intervals.noise_of_training(number)
    if few:
        return f"{few}. Intervals are over texts alone, and no claim is tested"
    return f"{number} models per row: intervals are over texts and seeds, verdicts with Holm's correction"


def _scored(frame: pl.DataFrame, columns: Mapping[str, str], reference: str) -> list[str]:
    rows = []
    for row in frame.iter_rows(named=True):
        found = _DIFFERENCE.format(row["difference"], row["difference_low"], row["difference_high"])
        minus = "—" if row["mixture"] == reference else found
        rows.append([cell.format(**row, minus=minus) for cell in columns.values()])
    return markdown.table([head.format(reference=reference) for head in columns], rows)


def _writers(writers: pl.DataFrame) -> list[str]:
    head = ["written by", "pieces", "accepted", "content kept", "numbers kept", "copied", "faithful", "trained"]
    rows = [
        [
            f"{row['rephraser']}/{row['prompt']}",
            f"{row['pieces']:,}",
            f"{row['accepted']:.0%}",
            *("—" if row[name] is None else f"{row[name]:.2f}" for name in ("content", "numbers", "copied")),
            "yes" if row["faithful"] else "no",
            "here" if row["trained_here"] else "elsewhere",
        ]
        for row in writers.iter_rows(named=True)
    ]
    return markdown.table(head, rows)
