import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from stages.corpora import check
from stages.shared import gate, notes
from stages.shared.errors import UserError, run
from stages.shared.notes import Note, Span
from stages.shared.params import load, parse
from stages.shared.tag_checks import TagChecks

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
    spans = (
        Span(8, 8 + len(NAMES[number]), "NAME"),
        Span(start, text.index(" with"), "DATE"),
    )
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
    "outside": (
        spans_of_first(lambda name, date: (name, date, Span(900, 905, "NAME"))),
        {"spans.inside critical"},
    ),
    "empty": (
        spans_of_first(lambda name, date: (name, Span(15, 15, "NAME"), date)),
        {"spans.inside critical"},
    ),
    "overlap": (
        spans_of_first(lambda name, date: (name, Span(0, name.end, "NAME"), date)),
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
    content = {
        "corpora": {"check": SETTINGS | {"formats": {"X": SETTINGS["formats"]["DATE"] | {"pattern": "("}}}}
    }
    with pytest.raises(UserError, match=r"corpora\.check\.formats\.X\.pattern: .*not a regular expression"):
        parse(TagChecks, "corpora.check", content)


def test_the_project_s_params_load() -> None:
    assert load(TagChecks, "corpora.check").formats["EMAIL"].severity == "critical"


MARKER = "Zzyxmarker"


def _stage(
    folder: Path,
    corpus: Corpus,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    labels: Sequence[str] = ("NAME", "DATE"),
) -> tuple[int | str | None, str]:
    """Exit status and everything printed."""
    raw = {
        "format": "jsonl", "path": ".", "fields": {"id": "id", "text": "text"}, "labels": list(labels),
    }  # fmt: skip
    (folder / "params.yaml").write_text(
        yaml.safe_dump({"corpora": {"check": SETTINGS, "mine": {"raw": raw}}})
    )
    shutil.rmtree(folder / "notes", ignore_errors=True)
    notes.write(folder / "notes", corpus)
    monkeypatch.chdir(folder)
    arguments = "check --corpus mine --notes notes --report m/r.json --passed m/p.passed"
    monkeypatch.setattr(sys, "argv", arguments.split())
    with pytest.raises(SystemExit) as left:
        run(check.main)
    printed = capsys.readouterr()
    return left.value.code, printed.out + printed.err


def test_the_stage_is_repeatable_and_never_quotes_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    clean = corpus()
    code, _ = _stage(tmp_path, clean, monkeypatch, capsys)
    first = (tmp_path / "m/r.json").read_bytes(), (tmp_path / "m/p.passed").read_bytes()
    assert (code, first[1]) == (0, b"passed\n")
    assert _stage(tmp_path, clean, monkeypatch, capsys)[0] == 0
    assert ((tmp_path / "m/r.json").read_bytes(), (tmp_path / "m/p.passed").read_bytes()) == first

    text = f"{MARKER} was here, {MARKER} left."
    bad = Note("bad", "gb", text, (Span(0, len(MARKER), "DATE"),), "test")
    code, printed = _stage(tmp_path, [*clean, bad], monkeypatch, capsys)
    assert code == 1
    assert (
        "DATE looks like DATE (spans.well_formed): 0.888889, expected share >= 1, not met in 1 notes"
        in printed
    )
    assert MARKER not in printed + (tmp_path / "m/r.json").read_text()
    assert not (tmp_path / "m/p.passed").exists()


def test_untagged_notes_get_a_clear_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    code, printed = _stage(tmp_path, [replace(n, spans=()) for n in corpus()], monkeypatch, capsys)
    assert code == 1
    assert "at least one note is tagged (spans.rows): 0, expected >= 1" in printed


def test_a_corpus_that_declares_no_labels_needs_no_tags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    untagged = [replace(n, spans=()) for n in corpus()]
    assert _stage(tmp_path, untagged, monkeypatch, capsys, labels=())[0] == 0
    assert (tmp_path / "m/p.passed").is_file()
    # What else is wrong with its notes still counts.
    code, printed = _stage(tmp_path, [*untagged, untagged[0]], monkeypatch, capsys, labels=())
    assert code == 1
    assert "note ids are unique" in printed
