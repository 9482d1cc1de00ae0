"""The model card and the data set card of a package, written from the run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.shared.lineage import Read

_AUDIT = (
    "**No privacy audit has been made of it**: this version has none. Invented text can repeat what the generator "
    "has read, and a tagger's weights what it has learnt from; that nobody may look for real people in either is a "
    "term of use."
)
_SCORES = {"strict_f1": "strict span F1", "token_f1": "token F1", "blind_recall": "PII words hidden"}


@dataclass(frozen=True)
class Facts:
    """What the cards say."""

    corpus: str
    arm: str
    licences: Mapping[str, str]
    sources: Mapping[str, str]
    reads: Iterable[Read]
    # Real notes have been read by gradient or vocabulary, and params took that on themselves.
    overridden: bool
    ours: Mapping[str, float]
    stock: Mapping[str, float]
    # Rows of ner_compare's arms.csv.
    arms: Sequence[Mapping[str, Any]]
    labels: Sequence[str]
    notes: int


def model(facts: Facts) -> str:
    """The model card: use, scores both ways and with intervals, limits, lineage, terms."""
    own = next(row for row in facts.arms if row["arm"] == facts.arm)
    both = [
        f"| {head} | {facts.stock[name]:.3f} | {facts.ours[name]:.3f} | {own[f'{name}_low']:.3f} to "
        f"{own[f'{name}_high']:.3f} |"
        for name, head in _SCORES.items()
    ]
    compared = [
        f"| {row['arm']} | {row['strict_f1']:.3f} ({row['strict_f1_low']:.3f} to {row['strict_f1_high']:.3f}) | "
        f"{row['blind_recall']:.3f} ({row['blind_recall_low']:.3f} to {row['blind_recall_high']:.3f}) | "
        f"{row['leaks_per_note']:.2f} ({row['leaks_per_note_low']:.2f} to {row['leaks_per_note_high']:.2f}) |"
        for row in facts.arms
    ]
    return "\n".join(
        [
            *_head(facts.licences["model"], "pipeline_tag: token-classification"),
            f"# De-identification model, {facts.corpus}, {facts.arm} arm",
            "",
            f"Finds {len(facts.labels)} kinds of personal information in clinical notes: {', '.join(facts.labels)}.",
            "",
            "```python",
            'find = pipeline("token-classification", model="model", aggregation_strategy="first", stride=32)',
            "```",
            "",
            "## Scores",
            "",
            f"On {own['test_notes']} real test notes, as its users run it (the stock pipeline) and by deidsynth's "
            "constrained decoder; 95 % intervals of the latter draw groups of notes.",
            "",
            "| | stock pipeline | our decoder | 95 % |",
            "|---|---:|---:|---|",
            *both,
            "",
            "Beside models that have learnt from other notes, each by our decoder:",
            "",
            "| learnt from | strict span F1 | PII words hidden | identifiers left per note |",
            "|---|---|---|---|",
            *compared,
            "",
            "## Limits",
            "",
            "For notes like those it was tested on, with a person who looks at the result; not alone a ground to "
            f"publish notes. On average {own['leaks_per_note']:.2f} identifiers a note stay visible, at least in "
            f"part, and {1 - own['clean_notes']:.0%} of the notes keep at least one.",
            "",
            _AUDIT,
            *_override(facts),
            "",
            *_lineage(facts),
        ]
    )


def corpus(facts: Facts) -> str:
    """The data set card: what the notes are, how they were made, limits, lineage, terms."""
    return "\n".join(
        [
            *_head(facts.licences["corpus"], "task_categories:\n- token-classification"),
            f"# Invented clinical notes after {facts.corpus}",
            "",
            f"{facts.notes} notes that a language model adapted to private notes has invented, tagged by a model "
            "that has learnt from real tags. Nobody has checked the tags. brat/, jsonl/ and dataset/ "
            "(`datasets.load_dataset`) hold the same notes; scores are the tagger's.",
            "",
            "For training and testing taggers of personal information; not a source of medical facts.",
            "",
            _AUDIT,
            "",
            *_lineage(facts),
        ]
    )


def terms(facts: Facts) -> str:
    """Whose terms the package carries."""
    return "\n".join(
        [
            "# Licences",
            "",
            *(f"* `{name}/` is released under {licence}." for name, licence in facts.licences.items()),
            "",
            "Made of, under these terms:",
            "",
            *(f"* {name}: {licence}" for name, licence in facts.sources.items()),
            "",
        ]
    )


def _head(licence: str, more: str) -> list[str]:
    return [
        "---",
        f"license: {licence.lower()}",
        more,
        "tags:",
        "- de-identification",
        "- clinical",
        "---",
        "",
    ]


def _override(facts: Facts) -> list[str]:
    if not facts.overridden:
        return []
    return ["", "**Its weights or vocabulary have read real notes** (`release.package.real_weights`)."]


def _lineage(facts: Facts) -> list[str]:
    return [
        "## What it has read",
        "",
        "| notes | origin | how |",
        "|---|---|---|",
        *(f"| {read.notes} | {read.origin} | {read.how} |" for read in sorted(facts.reads)),
        "",
    ]
