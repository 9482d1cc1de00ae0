from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stages.gates import gate
from stages.gates.tag_checks import TagChecks
from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.notes.tags import word_offsets
from stages.runtime.errors import UserError
from stages.runtime.params import parse, read
from stages.synthesis import check, expectations
from stages.synthesis.check import TextFacts, divergence
from stages.synthesis.copies import Copies, RealNotes
from stages.synthesis.expectations import Check
from tests import runs

CHECKS = {
    "min_spans": 4,
    "whole_words": 1.0,
    "consistent": 1.0,
    "surface_characters": 4,
    "formats": {"DATE": {"pattern": r"\d+/\d+/\d+", "share": 1.0, "severity": "critical"}},
}
SETTINGS = {
    "stop": True,
    "label_divergence": 0.05,
    "density_ratio": [0.5, 2.0],
    "mean_confidence": 0.8,
    "low_confidence": 0.5,
    "low_quantile": 0.0,
    "without_pii": 0.05,
    "duplicates": 0.0,
    "words": [10, 50],
    "repeated_ngram": 2,
    "repeated": 0.3,
    "mostly": 1.0,
}
COPIES = {"ngram": 4, "share": 0.5, "passage": 9}
NAMES = ["Anna", "Berta", "Cecilia", "Doris", "Elsa", "Frida", "Greta", "Hilda"]
Corpus = list[Note]


def filler(prefix: str, number: int, count: int) -> str:
    """Words that occur nowhere else; of letters only, as a digit would be a word of its own."""
    return " ".join(f"{prefix}{chr(97 + number)}{chr(97 + word)}" for word in range(count))


def note(number: int, prefix: str = "s", score: float | None = 0.9) -> Note:
    text = f"Patient {NAMES[number]} came {filler(prefix, number, 12)} on 1/{number + 1}/2019 again."
    start = text.index("1/")
    return Note(
        f"{prefix}{number}",
        f"{prefix}{number}",
        text,
        (Span(8, 8 + len(NAMES[number]), "NAME", score), Span(start, text.index(" again"), "DATE", score)),
    )


GOLD = [note(number, "g", None) for number in range(len(NAMES))]
PASSAGE = filler("g", 0, 12)

# 15 of its 24 n-grams of four words are gold's, and no run of more than 8 words.
MOSAIC = Note("x", "x", " x ".join([f"Anna {filler('g', 0, 8)}", filler("g", 1, 8), filler("g", 2, 8)]))


def corpus() -> Corpus:
    return [note(number) for number in range(len(NAMES))]


def first(**changes: object) -> Callable[[Corpus], Corpus]:
    return lambda clean: [replace(clean[0], **changes), *clean[1:]]


def spans_of_first(change: Callable[[Span, Span], tuple[Span, ...]]) -> Callable[[Corpus], Corpus]:
    return lambda clean: [replace(clean[0], spans=change(*clean[0].spans)), *clean[1:]]


def ending(more: str) -> Callable[[Corpus], Corpus]:
    return lambda clean: [replace(clean[0], text=f"{clean[0].text} {more}"), *clean[1:]]


def every_span(change: Callable[[Span], Span]) -> Callable[[Corpus], Corpus]:
    return lambda clean: [replace(n, spans=tuple(map(change, n.spans))) for n in clean]


def findings(broken: Corpus, read: Corpus = GOLD, **changes: object) -> list[gate.Finding]:
    settings = Check.model_validate(SETTINGS | changes)
    checks = TagChecks.model_validate(CHECKS)
    copies = Copies.model_validate(COPIES)
    found = check.tables(lambda: iter(broken), iter(GOLD), TextFacts(RealNotes(read, copies), settings), checks)
    return gate.validate(found, expectations.suites(settings, copies, checks, found["labels"]["label"]))


def failed(found: list[gate.Finding]) -> set[str]:
    return {f"{f.table}.{f.column or 'rows'} {f.severity}" for f in found if not f.success}


def observed(found: list[gate.Finding], column: str) -> float | None:
    (value,) = [f.observed for f in found if f.column == column]
    return value


BREAKS = {
    "duplicate id": (first(note_id="s1"), {"notes.note_id critical"}),
    "outside": (
        spans_of_first(lambda name, date: (name, date, Span(900, 905, "NAME", 0.9))),
        {"spans.inside critical"},
    ),
    "overlap": (
        spans_of_first(lambda name, date: (name, Span(0, name.end, "NAME", 0.9), date)),
        {"spans.apart critical"},
    ),
    "space at an edge": (
        spans_of_first(lambda name, date: (replace(name, end=name.end + 1), date)),
        {"spans.tight critical"},
    ),
    "cut word": (
        spans_of_first(lambda name, date: (replace(name, end=name.end - 1), date)),
        {"spans.whole_words warning"},
    ),
    # What is critical for gold is a warning for a machine.
    "format": (
        spans_of_first(lambda name, date: (name, replace(date, end=date.end - 5))),
        {"spans.well_formed warning"},
    ),
    "tagged here and not there": (ending("Berta called."), {"places.tagged warning"}),
    "unknown label": (
        lambda clean: [
            *clean,
            replace(
                clean[0],
                note_id="x",
                text=clean[0].text + " x",
                spans=(replace(clean[0].spans[0], label="NEW"), clean[0].spans[1]),
            ),
        ],
        {"spans.known critical", "labels.spans warning"},
    ),
    "other labels": (every_span(lambda span: replace(span, label="NAME")), {"corpus.label_divergence critical"}),
    "too few spans": (
        lambda clean: [replace(n, text=f"{n.text} {filler('q', number, 24)}") for number, n in enumerate(clean)],
        {"corpus.density_ratio critical"},
    ),
    "unsure on the whole": (every_span(lambda span: replace(span, score=0.7)), {"spans.score critical"}),
    "one guess": (spans_of_first(lambda name, date: (replace(name, score=0.1), date)), {"spans.score warning"}),
    "no scores": (
        every_span(lambda span: replace(span, score=None)),
        {"spans.score critical", "spans.score warning"},
    ),
    "a note without PII": (
        lambda clean: [*clean, Note("x", "x", "one two three four five six seven eight nine ten eleven")],
        {"notes.has_pii critical"},
    ),
    "repeat of a note": (
        lambda clean: [*clean, replace(clean[0], note_id="x", text=clean[0].text.replace(" again", "  again"))],
        {"notes.first_copy critical"},
    ),
    "stub": (
        lambda clean: [*clean, Note("x", "x", "Anna came.", (Span(0, 4, "NAME", 0.9),))],
        {"notes.words critical"},
    ),
    "going round in circles": (ending("so it is " * 6), {"notes.repeated critical"}),
    "long copy": (ending(PASSAGE), {"notes.longest_copy critical"}),
    "many copies": (
        lambda clean: [*clean, replace(MOSAIC, spans=(Span(0, 4, "NAME", 0.9),))],
        {"notes.copied critical"},
    ),
    "no notes": (
        lambda clean: [],
        {
            "notes.rows critical",
            "spans.rows critical",
            "spans.score critical",
            "spans.score warning",
            "corpus.label_divergence critical",
            "corpus.density_ratio critical",
        },
    ),
}


def test_clean_notes_meet_every_expectation() -> None:
    assert failed(findings(corpus())) == set()


@pytest.mark.parametrize("name", BREAKS)
def test_each_break_fails_its_own_expectations_and_no_other(name: str) -> None:
    change, expected = BREAKS[name]
    assert failed(findings(change(corpus()))) == expected


def test_bounds_leave_room_for_the_share_asked() -> None:
    longer = ending("so it is " * 6)(corpus())
    assert failed(findings(longer, mostly=7 / 8)) == set()
    assert failed(findings(longer, mostly=0.9)) == {"notes.repeated critical"}


def test_without_notes_read_nothing_is_copied() -> None:
    change, _ = BREAKS["many copies"]
    assert failed(findings(change(corpus()), read=[])) == set()


def text_facts(text: str) -> dict:
    real = RealNotes(GOLD, Copies.model_validate(COPIES))
    return TextFacts(real, Check.model_validate(SETTINGS))(Note("x", "x", text), word_offsets(text))


def test_copies_and_repeats_in_numbers() -> None:
    facts = text_facts(f"{PASSAGE} {filler('x', 0, 9)}")
    assert facts == {"first_copy": True, "repeated": 0.0, "copied": 0.5, "longest_copy": 12}
    mosaic = text_facts(MOSAIC.text)
    assert (mosaic["copied"], mosaic["longest_copy"]) == (15 / 24, 8)
    assert text_facts("a b a b a b")["repeated"] == pytest.approx(3 / 5)
    assert text_facts("") == {"first_copy": None, "repeated": 0.0, "copied": 0.0, "longest_copy": 0}


def test_divergence_in_bits() -> None:
    assert divergence("ABBB", 10 * "ABBB") == 0
    assert divergence("A", "B") == 1
    assert divergence("A", "AB") == pytest.approx(0.311278, abs=1e-6)
    assert divergence("A", "") is None


def test_gold_without_tags_is_a_mistake_of_the_share() -> None:
    untagged = [replace(n, spans=()) for n in GOLD]
    measure = TextFacts(RealNotes(GOLD, Copies.model_validate(COPIES)), Check.model_validate(SETTINGS))
    with pytest.raises(UserError, match=r"corpora\.share\.annotator"):
        check.tables(lambda: iter(corpus()), iter(untagged), measure, TagChecks.model_validate(CHECKS))


def test_bounds_are_in_order() -> None:
    with pytest.raises(UserError, match=r"synthesis\.check\.words: expected \[lowest, highest\]"):
        parse(Check, "synthesis.check", {"synthesis": {"check": SETTINGS | {"words": [5, 4]}}})


def test_the_project_s_params_load() -> None:
    assert parse(Check, "synthesis.check", read()).stop is True


MARKER = "Zzyxmarker"


def test_the_stage_stops_or_lets_through_and_never_quotes_a_note(
    workdir: Path, capsys: pytest.CaptureFixture
) -> None:
    def stage(**changes: object) -> str:
        runs.write_params(
            {"corpora": {"check": CHECKS}, "synthesis": {"check": SETTINGS | changes, "copies": COPIES}}
        )
        folders = {name: name for name in ("notes", "gold", "read")}
        try:
            runs.run(check.check, corpus="c", fold=0, seed=1, **folders, report="r.json", passed="p.passed")
        except UserError as error:
            return str(error) + capsys.readouterr().out
        return capsys.readouterr().out

    copied = f"{MARKER} {PASSAGE} {MARKER} {PASSAGE}"
    bad = Note("bad", "bad", copied, (Span(0, len(MARKER), "DATE", 0.9),))
    note_table.write("notes", [*corpus(), bad])
    for folder in ("gold", "read"):
        note_table.write(folder, GOLD)
    printed = stage()
    assert not Path("p.passed").exists()
    assert "(notes.copied): 0.888889, expected share >= 1 of rows <= 0.5, not met in 1 notes" in printed
    report = Path("r.json").read_bytes()
    printed += stage(stop=False)
    assert Path("p.passed").read_text() == gate.LET_THROUGH
    assert Path("r.json").read_bytes() == report
    assert MARKER not in printed + report.decode()
