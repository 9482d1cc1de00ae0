import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from stages.corpora import check
from stages.gates import gate
from stages.gates.tag_checks import TagChecks
from stages.notes import note_table
from stages.notes.labels import Labels
from stages.notes.note_table import Note, Span
from stages.runtime.errors import UserError
from stages.runtime.params import parse, read
from tests.graph import ROOT
from tests.runs import run, write_params

SETTINGS = {
    "min_spans": 4,
    "whole_words": 1.0,
    "consistent": 1.0,
    "surface_characters": 4,
    "formats": {
        "DATE": {"pattern": r"\d+/\d+/\d+", "share": 1.0, "severity": "critical"},
        "NOTHERE": {"pattern": "x", "share": 1.0, "severity": "critical"},
    },
}
NAMES = ["Anna", "Berta", "Cecilia", "Doris", "Elsa", "Frida", "Greta", "Hilda"]
Corpus = list[Note]


def note(number: int) -> Note:
    text = f"Patient {NAMES[number]} came on 1/{number + 1}/2019 with fever."
    start = text.index("1/")
    spans = (Span(8, 8 + len(NAMES[number]), "NAME"), Span(start, text.index(" with"), "DATE"))
    return Note(f"n{number}", f"g{number}", text, spans, "test" if number > 5 else "train")


def corpus() -> Corpus:
    return [note(number) for number in range(len(NAMES))]


def with_first(**changes: object) -> Callable[[Corpus], Corpus]:
    return lambda clean: [replace(clean[0], **changes), *clean[1:]]


def spans_of_first(change: Callable[[Span, Span], tuple[Span, ...]]) -> Callable[[Corpus], Corpus]:
    return lambda clean: [replace(clean[0], spans=change(*clean[0].spans)), *clean[1:]]


def findings(broken: Corpus, settings: dict = SETTINGS) -> list[gate.Finding]:
    checks = TagChecks.model_validate(settings)
    found = check.tables(lambda: iter(broken), checks)
    return gate.validate(found, check.expectations(checks, found["labels"]["label"]))


def failed(found: list[gate.Finding]) -> set[str]:
    return {f"{f.table}.{f.column or 'rows'} {f.severity}" for f in found if not f.success}


BREAKS = {
    "duplicate id": (with_first(note_id="n1"), {"notes.note_id critical"}),
    "outside": (spans_of_first(lambda name, date: (name, date, Span(900, 905, "NAME"))), {"spans.inside critical"}),
    "empty": (spans_of_first(lambda name, date: (name, Span(15, 15, "NAME"), date)), {"spans.inside critical"}),
    "overlap": (spans_of_first(lambda name, date: (name, Span(0, name.end, "NAME"), date)), {"spans.apart critical"}),
    "space at an edge": (
        spans_of_first(lambda name, date: (replace(name, end=name.end + 1), date)),
        {"spans.tight critical"},
    ),
    "cut word": (
        spans_of_first(lambda name, date: (replace(name, end=name.end - 1), date)),
        {"spans.whole_words warning"},
    ),
    "every span one character short": (
        lambda clean: [replace(n, spans=tuple(replace(s, end=s.end - 1) for s in n.spans)) for n in clean],
        {"spans.whole_words warning", "spans.whole_words critical"},
    ),
    "format": (
        spans_of_first(lambda name, date: (name, replace(date, end=date.end - 5))),
        {"spans.well_formed critical"},
    ),
    "rare label": (
        spans_of_first(lambda name, date: (name, date, Span(date.end + 1, date.end + 5, "RARE"))),
        {"labels.spans warning", "places.tagged warning"},
    ),
    "tagged here and not there": (
        lambda clean: [*clean[:-1], replace(clean[-1], text=clean[-1].text + " Anna called.")],
        {"places.tagged warning"},
    ),
    "group in both parts": (
        lambda clean: [*clean[:-1], replace(clean[-1], group_id="g0")],
        {"notes.group_apart warning"},
    ),
    "label in the test part only": (
        lambda clean: [
            *clean[:-2],
            *(replace(n, spans=(replace(n.spans[0], label="NEW"), n.spans[1])) for n in clean[-2:]),
        ],
        {"labels.spans warning", "labels.in_training warning"},
    ),
    "no tags": (lambda clean: [replace(n, spans=()) for n in clean], {"spans.rows critical"}),
    "no notes": (lambda clean: [], {"notes.rows critical", "spans.rows critical"}),
}


def test_clean_notes_meet_every_expectation() -> None:
    found = findings(corpus())
    assert failed(found) == set()
    assert [f.meaning for f in found if f.column == "well_formed"] == ["DATE looks like DATE"]


@pytest.mark.parametrize("name", BREAKS)
def test_each_break_fails_its_own_expectations_and_no_other(name: str) -> None:
    change, expected = BREAKS[name]
    assert failed(findings(change(corpus()))) == expected


def test_without_an_official_split_no_leak_is_looked_for() -> None:
    free = [replace(n, split=None, group_id="one") for n in corpus()]
    assert failed(findings(free)) == set()


def test_a_format_may_be_a_warning_and_leave_room() -> None:
    change = BREAKS["format"][0]
    softened = {"pattern": r"\d+/\d+/\d+", "share": 1.0, "severity": "warning"}
    lenient = softened | {"share": 0.85, "severity": "critical"}
    assert failed(findings(change(corpus()), SETTINGS | {"formats": {"DATE": softened}})) == {
        "spans.well_formed warning"
    }
    assert failed(findings(change(corpus()), SETTINGS | {"formats": {"DATE": lenient}})) == set()


def test_twins_are_counted_in_spans_and_notes() -> None:
    twins = [replace(n, text=n.text + " Anna Anna") if n.note_id in ("n1", "n2") else n for n in corpus()]
    (found,) = [f for f in findings(twins) if f.table == "places"]
    # 16 tagged places and 4 that are not.
    assert (found.observed, found.unexpected_count, found.notes, found.labels) == (0.8, 4, 2, ["NAME"])


def test_a_pattern_that_is_none_names_its_key() -> None:
    content = {"corpora": {"check": SETTINGS | {"formats": {"X": SETTINGS["formats"]["DATE"] | {"pattern": "("}}}}}
    with pytest.raises(UserError, match=r"corpora\.check\.formats\.X\.pattern: .*not a regular expression"):
        parse(TagChecks, "corpora.check", content)


def test_the_project_s_params_load() -> None:
    checks = parse(TagChecks, "corpora.check", read(ROOT / "params.yaml"))
    assert checks.formats["EMAIL"].severity == "critical"


MARKER = "Zzyxmarker"


BASES = {"encoder": {"source": "hub"}, "decoder": {"source": "scratch", "text": ["story"]}}


def _stage(notes: Corpus, labels: Sequence[str] = ("NAME", "DATE"), story: Sequence[str] = ("No note.",)) -> None:
    """Run the stage in the working directory, on a base decoder that is made from the texts of `story`."""
    entry = {"labels": dict.fromkeys(labels, "other")} | BASES
    Path("public/story").mkdir(parents=True, exist_ok=True)
    rows = [json.dumps({"note_id": str(number), "text": text}) for number, text in enumerate(story)]
    Path("public/story/text.jsonl").write_text("\n".join(rows))
    write_params({"corpora": {"check": SETTINGS}, "catalog": {"mine": entry}})
    shutil.rmtree("notes", ignore_errors=True)
    note_table.write("notes", notes)
    run(check.check, corpus="mine", notes="notes", public="public", report="m/r.json", passed="m/p.passed")


def test_the_stage_is_repeatable_and_never_quotes_a_note(workdir: Path, capsys: pytest.CaptureFixture) -> None:
    clean, report, passed = corpus(), Path("m/r.json"), Path("m/p.passed")
    _stage(clean)
    first = report.read_bytes(), passed.read_bytes()
    assert first[1] == b"passed\n"
    assert capsys.readouterr().out == "mine: 14 of 14 expectations are met\n"
    _stage(clean)
    assert (report.read_bytes(), passed.read_bytes()) == first

    text = f"{MARKER} was here, {MARKER} left."
    bad = Note("bad", "gb", text, (Span(0, len(MARKER), "DATE"),), "test")
    with pytest.raises(UserError) as caught:
        _stage([*clean, bad])
    printed = str(caught.value) + str(capsys.readouterr())
    assert "DATE looks like DATE (spans.well_formed): 0.888889, expected share >= 1, not met in 1 notes" in printed
    assert MARKER not in printed + report.read_text()
    assert not passed.exists()


def test_base_models_that_learn_from_the_notes_stop_the_gate(workdir: Path) -> None:
    long = [replace(n, text=f"{n.text} She was told to rest for {number} days and to come again if it got worse.")
            for number, n in enumerate(corpus())]  # fmt: skip
    _stage(long, story=["Patients were told to rest for some days and to come again if it got worse than before."])
    # One note as it is, and half of another among other words.
    half = " ".join(long[1].text.split()[4:])
    with pytest.raises(UserError, match=r"public text that the base models are made from.*in 2 notes"):
        _stage(long, story=["Other words.", long[0].text, f"It was said: {half} And so on."])
    assert not Path("m/p.passed").exists()
    # What no base model is made from may hold the notes.
    Path("public/other").mkdir()
    Path("public/other/text.jsonl").write_text(json.dumps({"note_id": "a", "text": long[0].text}))
    _stage(long)


def test_untagged_notes_get_a_clear_message(workdir: Path) -> None:
    with pytest.raises(UserError, match=r"at least one note is tagged \(spans\.rows\): 0, expected >= 1"):
        _stage([replace(n, spans=()) for n in corpus()])


def test_a_corpus_that_declares_no_labels_needs_no_tags(workdir: Path) -> None:
    untagged = [replace(n, spans=()) for n in corpus()]
    _stage(untagged, labels=())
    assert Path("m/p.passed").is_file()
    # Its notes can still fail.
    with pytest.raises(UserError, match="note ids are unique"):
        _stage([*untagged, untagged[0]], labels=())


def test_the_evidence_of_a_table_is_its_facts_and_the_suites_about_them(workdir: Path) -> None:
    note_table.write("notes", corpus())
    checks = TagChecks.model_validate(SETTINGS)
    for labels in (Labels({"NAME": "person"}), Labels({})):
        bases = check.Encoder({}), check.Decoder({})
        found, suites = check.evidence(Path("notes"), Path("public"), checks, labels, *bases)
        assert found.keys() == suites.keys() == {"notes", "spans", "labels", "places"}
        assert (found["notes"].height, found["spans"].height) == (8, 16)
        assert suites["spans"][0].min_value == bool(labels.root)
