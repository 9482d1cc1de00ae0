import json
from collections.abc import Iterator
from pathlib import Path

import great_expectations.expectations as gxe
import polars as pl
import pytest

from stages.gates import gate
from stages.gates.gate import LET_THROUGH, PASSED, Finding
from stages.runtime.errors import UserError

MARKER = "Zzyxmarker Planted"
FACTS = {
    "notes": pl.DataFrame(
        {
            "note_id": ["a", "a", "b", "c"],
            "flag": [True, False, None, True],
            "score": [0.2, 0.6, 0.8, None],
            "text": ["fine", MARKER, MARKER, "fine"],
        }
    ),
    "labels": pl.DataFrame({"label": ["DATE", "NAME"], "spans": [3, 30]}),
}


def flag(mostly: float = 1.0, severity: str = "critical") -> gxe.Expectation:
    return gxe.ExpectColumnValuesToBeInSet(
        column="flag", value_set=[True], mostly=mostly, severity=severity, description="flags are up"
    )


def validate(*expectations: gxe.Expectation, table: str = "notes") -> list[Finding]:
    return gate.validate(FACTS, {table: list(expectations)})


def files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes().decode("utf-8", "replace")


def test_findings_keep_the_given_order_and_hold_what_was_measured() -> None:
    found = validate(
        gxe.ExpectColumnMeanToBeBetween(column="score", min_value=0.5, description="m"),
        flag(0.6),
        gxe.ExpectColumnQuantileValuesToBeBetween(
            column="score",
            quantile_ranges={"quantiles": [0.0], "value_ranges": [[0.3, None]]},
            severity="warning",
            description="q",
        ),
        gxe.ExpectColumnValuesToBeUnique(column="note_id", description="u"),
        gxe.ExpectTableRowCountToBeBetween(min_value=1, max_value=9, description="r"),
    )
    assert [(f.column, f.success, f.observed, f.bound, f.unexpected_count, f.notes) for f in found] == [
        ("score", True, 0.533333, ">= 0.5", None, None),
        ("flag", True, 0.666667, "share >= 0.6", 1, 1),
        ("score", False, 0.2, ">= 0.3", None, None),
        ("note_id", False, 0.5, "share >= 1", 2, 1),
        (None, True, 4.0, ">= 1 and <= 9", None, None),
    ]
    assert [f.severity for f in found] == ["critical", "critical", "warning", "critical", "critical"]


def test_a_table_of_labels_names_those_concerned() -> None:
    (found,) = validate(
        gxe.ExpectColumnValuesToBeBetween(column="spans", min_value=20, description="enough"), table="labels"
    )
    assert (found.success, found.labels, found.notes, found.bound) == (
        False,
        ["DATE"],
        None,
        "share >= 1 of rows >= 20",
    )


def test_nothing_to_measure_fails_a_mean_and_passes_a_share() -> None:
    empty = {"notes": FACTS["notes"].clear()}
    found = gate.validate(
        empty, {"notes": [flag(), gxe.ExpectColumnMeanToBeBetween(column="score", min_value=0.5, description="m")]}
    )
    assert [(f.success, f.observed) for f in found] == [(True, None), (False, None)]


def test_an_expectation_that_cannot_be_computed_is_a_defect() -> None:
    with pytest.raises(RuntimeError, match=r"notes\.missing"):
        validate(gxe.ExpectColumnValuesToBeUnique(column="missing", description="u"))


def test_a_warning_passes_with_the_bytes_of_a_clean_pass(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    gate.judge(validate(flag(0.5)), tmp_path / "clean.json", tmp_path / "clean.passed")
    assert capsys.readouterr().out == ""
    gate.judge(validate(flag(severity="warning")), tmp_path / "w.json", tmp_path / "w.passed")
    assert capsys.readouterr().out == (
        "warning: flags are up (notes.flag): 0.666667, expected share >= 1, not met in 1 notes\n"
    )
    assert (tmp_path / "w.passed").read_text() == (tmp_path / "clean.passed").read_text() == PASSED
    report = json.loads((tmp_path / "w.json").read_text())
    assert (report["passed"], report["failed_warning"], report["failed_critical"]) == (True, 1, 0)


def test_a_critical_failure_reports_and_leaves_no_passed_file(tmp_path: Path) -> None:
    report, passed = tmp_path / "r.json", tmp_path / "p.passed"
    gate.judge(validate(flag(0.5)), report, passed)
    with pytest.raises(UserError) as error:
        gate.judge(validate(flag(), flag(0.5)), report, passed)
    assert not passed.exists()
    assert "1 of 2 expectations failed" in str(error.value)
    assert "flags are up (notes.flag): 0.666667, expected share >= 1, not met in 1 notes" in str(error.value)
    content = json.loads(report.read_text())
    assert (content["passed"], [entry["success"] for entry in content["findings"]]) == (False, [False, True])


def test_a_control_is_let_through_and_passed_says_so(tmp_path: Path) -> None:
    gate.judge(validate(flag()), tmp_path / "r.json", tmp_path / "p", let_through=True)
    assert (tmp_path / "p").read_text() == LET_THROUGH
    assert json.loads((tmp_path / "r.json").read_text())["passed"] is False
    gate.judge(validate(flag(0.5)), tmp_path / "r.json", tmp_path / "p", let_through=True)
    assert (tmp_path / "p").read_text() == PASSED


def test_values_reach_neither_report_nor_data_docs(tmp_path: Path) -> None:
    """Facts hold no text; should a column ever, Great Expectations is told to leave values out."""
    refuse = gxe.ExpectColumnValuesToBeInSet(column="text", value_set=["fine"], severity="warning", description="t")
    found = validate(refuse)
    gate.judge(found, tmp_path / "r.json", tmp_path / "p")
    gate.write_docs(FACTS, {"notes": [refuse]}, tmp_path / "docs")
    assert found[0].unexpected_count == 2
    assert (tmp_path / "docs" / "index.html").is_file()
    assert len(list((tmp_path / "docs" / "validations").rglob("*.html"))) == 1
    assert all(MARKER not in content for content in files(tmp_path))
