"""What invented, machine-tagged notes must meet before a model is trained on them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, PositiveInt

from stages.gates import tag_checks
from stages.gates.tag_checks import TagChecks
from stages.runtime.params import Section, Share
from stages.synthesis.copies import Copies

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation


def _in_order(bounds: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= bounds[0] <= bounds[1]:
        raise ValueError("expected [lowest, highest]")
    return bounds


class Check(Section):
    """Bounds on invented notes and their machine tags."""

    at: ClassVar[str] = "synthesis.check"

    stop: bool = True
    """Whether a failed critical expectation stops the pipeline. With false the notes pass, and `passed` records it:
    for negative controls, which must fail."""
    label_divergence: Share = 0.1
    """Largest Jensen-Shannon divergence of the label distribution from gold, in bits: 0 is equal, 1 is disjoint."""
    density_ratio: Annotated[tuple[float, float], AfterValidator(_in_order)] = (0.5, 2.0)
    """Lowest and highest number of spans per word, as a multiple of gold's."""
    mean_confidence: Share = 0.8
    """Lowest mean score of the spans."""
    low_confidence: Share = 0.3
    """Lowest score at `low_quantile` of the spans (a warning)."""
    low_quantile: Share = 0.05
    """The quantile of scores that `low_confidence` bounds."""
    without_pii: Share = 0.3
    """Largest share of notes without any span."""
    duplicates: Share = 0.01
    """Largest share of notes with the same words as an earlier note."""
    words: Annotated[tuple[int, int], AfterValidator(_in_order)] = (10, 4000)
    """Fewest and most words of a note; numbers and punctuation marks count as words."""
    repeated_ngram: PositiveInt = 4
    """Length in words of the n-grams whose repetition within a note is counted."""
    repeated: Share = 0.3
    """Largest share of a note's n-grams that occur earlier in the note."""
    mostly: Share = 0.95
    """Smallest share of notes that must meet each bound on words and repetition, and be no copy (`synthesis.copies`):
    synthesis_mix leaves copies out, but a generator that writes many is not to be trusted."""


def suites(
    settings: Check, copies: Copies, checks: TagChecks, present: Iterable[str]
) -> dict[str, list["Expectation"]]:
    """Return the expectations by table: those on gold tags, and those on what only a machine gets wrong."""
    import great_expectations.expectations as gxe

    found = tag_checks.expectations(checks, present, machine=True)
    fewest, most = settings.words
    low, high = settings.density_ratio
    long_copy = "no long passage is copied from a note that the generator read"
    least_certain = {"quantiles": [settings.low_quantile], "value_ranges": [[settings.low_confidence, None]]}
    warning: Any = {"severity": "warning"}

    def true(column: str, mostly: float, meaning: str) -> "Expectation":
        return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[True], mostly=mostly, description=meaning)

    def within(column: str, meaning: str, **more: Any) -> "Expectation":
        return gxe.ExpectColumnValuesToBeBetween(column=column, mostly=settings.mostly, description=meaning, **more)

    def mean(column: str, meaning: str, **bounds: Any) -> "Expectation":
        return gxe.ExpectColumnMeanToBeBetween(column=column, description=meaning, **bounds)

    found["notes"] += [
        true("has_pii", 1 - settings.without_pii, "notes hold PII"),
        true("first_copy", 1 - settings.duplicates, "notes are not exact duplicates"),
        within("words", "notes are neither too short nor too long", min_value=fewest, max_value=most),
        within("repeated", "notes do not repeat themselves", max_value=settings.repeated),
        within("copied", "notes are not copied from notes that the generator read", max_value=copies.share),
        within("longest_copy", long_copy, max_value=copies.passage),
    ]
    found["spans"] += [
        true("known", 1.0, "labels are known from gold"),
        mean("score", "the tagger is confident", min_value=settings.mean_confidence),
        gxe.ExpectColumnQuantileValuesToBeBetween(
            column="score",
            quantile_ranges=least_certain,
            description="the tagger's least certain spans are not guesses",
            **warning,
        ),
    ]
    found["corpus"] = [
        mean("label_divergence", "labels are distributed as in gold", max_value=settings.label_divergence),
        mean("density_ratio", "spans are as dense as in gold", min_value=low, max_value=high),
    ]
    return found
