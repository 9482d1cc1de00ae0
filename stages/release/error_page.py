"""What the private error page shows: every place of the test notes where an arm is wrong."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

from stages.ner.cells import Cell, Sources
from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.runtime import lineage
from stages.runtime.grid import Grid

KINDS = ("correct", "missed", "false alarm", "wrong label", "wrong boundaries")
# Characters of context on either side of a place, and most places on a page.
_CONTEXT, _PLACES = 60, 5000


def content(corpus: str, grid: Grid, sources: Sources, texts: bool) -> tuple[dict[str, Any], set[lineage.Read]]:
    """Return the template's values for the first fold and seed, quoting notes if `texts`, and what was read."""
    fold, seed = grid.folds[0], grid.seeds[0]
    tables = [sources.tables(Cell(corpus, arm, fold, seed)) for arm in grid.arms]
    test, predictions = tables[0][1], [predicted for predicted, _, _ in tables]
    notes = zip(*map(note_table.read, (test, *predictions)), strict=True)
    found = (place for gold, *versions in notes for place in places(gold, versions, texts))
    shown = list(islice(found, _PLACES))
    values = {
        "title": f"deidsynth errors: {corpus}",
        "corpus": corpus,
        "fold": fold,
        "seed": seed,
        "texts": texts,
        "arms": grid.arms,
        "kinds": KINDS,
        "labels": sorted({label for place in shown for label in place["labels"]}),
        "places": shown,
        "total": len(shown) + sum(1 for _ in found),
    }
    return values, set().union(*map(lineage.read, (test, *predictions)))


def places(gold: Note, versions: Sequence[Note], texts: bool) -> Iterator[dict[str, Any]]:
    """Yield the places of a note where a version is wrong. A place holds spans of gold and of all versions that
    overlap, directly or through others.
    """
    sides = [gold.spans, *(version.spans for version in versions)]
    # Each place has a list of spans for each side.
    found: list[list[list[Span]]] = []
    end = 0
    tagged = ((side, span) for side, spans in enumerate(sides) for span in spans)
    for side, span in sorted(tagged, key=lambda entry: entry[1].start):
        if span.start >= end:
            found.append([[] for _ in sides])
        found[-1][side].append(span)
        end = max(end, span.end)
    for right, *guesses in found:
        kinds = [kind(right, guess) for guess in guesses]
        if set(kinds) == {"correct"}:
            continue
        spans = list(chain(right, *guesses))
        start, end = min(span.start for span in spans), max(span.end for span in spans)
        yield {
            "note": gold.note_id,
            "gold": _labels(right),
            "labels": sorted({span.label for span in spans}),
            "arms": [
                {
                    "kind": name,
                    "labels": "" if name == "correct" else _labels(guess),
                    # That of the least certain span.
                    "score": min((span.score for span in guess if span.score is not None), default=None),
                }
                for name, guess in zip(kinds, guesses, strict=True)
            ],
            "before": gold.text[max(0, start - _CONTEXT) : start] if texts else "",
            "inside": gold.text[start:end] if texts else f"{end - start} characters",
            "after": gold.text[end : end + _CONTEXT] if texts else "",
        }


def kind(gold: Sequence[Span], predicted: Sequence[Span]) -> str:
    """Return which of KINDS the predicted spans of one place are."""
    if not gold:
        return "false alarm" if predicted else "correct"
    if not predicted:
        return "missed"
    if [(span.start, span.end) for span in gold] != [(span.start, span.end) for span in predicted]:
        return "wrong boundaries"
    return "correct" if [span.label for span in gold] == [span.label for span in predicted] else "wrong label"


def _labels(spans: Sequence[Span]) -> str:
    return ", ".join(span.label for span in spans)
