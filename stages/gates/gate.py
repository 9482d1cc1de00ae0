"""Quality gates: Great Expectations validates facts tables, which hold no text. A gate writes a report for people,
and `passed` for DVC.

`passed` depends on the verdict alone, so a changed expectation costs a check of seconds and re-runs no training.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from stages.runtime.console import say
from stages.runtime.errors import UserError
from stages.runtime.outputs import building, write_json

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

PASSED = "passed\n"
LET_THROUGH = "failed, and let through by params\n"


@dataclass(frozen=True)
class Finding:
    """What was found for one expectation."""

    table: str
    expectation: str
    meaning: str  # what is expected, in words
    column: str | None
    severity: str
    success: bool
    observed: float | None  # the share of rows that meet it, or the measured value; None if nothing can be measured
    bound: str
    unexpected_count: int | None  # rows that do not meet it; None, as are the notes and labels, for a measured value
    notes: int | None  # the number of notes that hold these rows
    labels: list[str] | None  # the labels of these rows

    def sentence(self) -> str:
        """Return the finding as one line."""
        found = "nothing to measure" if self.observed is None else f"{self.observed:g}"
        where = f", not met in {self.notes} notes" if self.notes is not None else ""
        where += f": {', '.join(self.labels)}" if self.labels else ""
        return f"{self.meaning} ({self.table}.{self.column or 'rows'}): {found}, expected {self.bound}{where}"


def validate(facts: Mapping[str, pl.DataFrame], suites: Mapping[str, Sequence["Expectation"]]) -> list[Finding]:
    """Return the findings for the expectations of each table, in the order given.

    The `description` of an expectation becomes the meaning. If a table has columns `note_id` and `label`, findings
    count the notes and name the labels concerned. Although facts hold no text, results leave the values out
    (`exclude_unexpected_values`).
    """
    findings = []
    source = _context().data_sources.add_pandas("facts")
    for table, expectations in suites.items():
        batch = _batch_definition(source, table).get_batch({"dataframe": facts[table].to_pandas()})
        result_format = {
            "result_format": "COMPLETE",
            "exclude_unexpected_values": True,
            "unexpected_index_column_names": [key for key in ("note_id", "label") if key in facts[table].columns],
        }
        findings += [_finding(table, batch.validate(each, result_format=result_format)) for each in expectations]
    return findings


def judge(
    findings: list[Finding], report: Path, passed: Path, let_through: bool = False, more: dict[str, Any] | None = None
) -> None:
    """Write the report, which has `more` beside the findings, print what failed, and write `passed`.

    Raises UserError if a critical expectation failed, and `passed` then does not exist; with `let_through` it exists
    and says so.
    """
    failed = [finding for finding in findings if not finding.success]
    critical = [finding for finding in failed if finding.severity == "critical"]
    content = {
        "passed": not critical,
        "expectations": len(findings),
        "failed_critical": len(critical),
        "failed_warning": len(failed) - len(critical),
        "findings": [asdict(finding) for finding in findings],
    }
    write_json(report, {**content, **(more or {})})
    for finding in failed:
        if finding.severity != "critical" or let_through:
            say(f"{finding.severity}: {finding.sentence()}")
    if critical and not let_through:
        passed.unlink(missing_ok=True)
        lines = "\n".join(f"  {finding.sentence()}" for finding in critical)
        raise UserError(
            f"{len(critical)} of {len(findings)} expectations failed; all findings are in {report}. "
            f"Correct the notes, or the bound in params.yaml if it is wrong:\n{lines}"
        )
    with building(passed) as partial:
        partial.write_text(LET_THROUGH if critical else PASSED, encoding="utf-8")


def write_docs(facts: Mapping[str, pl.DataFrame], suites: Mapping[str, Sequence["Expectation"]], out: Path) -> None:
    """Write Great Expectations' data docs of the same suites, a web site, to `out`/index.html."""
    import great_expectations as gx

    context = _context()
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(out.resolve())}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    site = {"class_name": "SiteBuilder", "store_backend": store, "site_index_builder": index}
    context.add_data_docs_site(site_name="docs", site_config=site)
    results = context.validation_results_store
    serialize = results.serialize

    def with_plain_success(result: Any) -> Any:
        for entry in result.results:
            # ExpectColumnQuantileValuesToBeBetween has a NumPy boolean here, which JSON cannot hold.
            entry.success = bool(entry.success)
        return serialize(result)

    results.serialize = with_plain_success
    source = context.data_sources.add_pandas("facts")
    for table, expectations in suites.items():
        suite = context.suites.add(gx.ExpectationSuite(name=table, expectations=list(expectations)))
        validation = gx.ValidationDefinition(name=table, data=_batch_definition(source, table), suite=suite)
        validation.run(
            batch_parameters={"dataframe": facts[table].to_pandas()},
            result_format={"result_format": "BASIC", "exclude_unexpected_values": True},
        )
    context.build_data_docs()


def _context() -> Any:
    import great_expectations as gx

    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context


def _batch_definition(source: Any, table: str) -> Any:
    return source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("all")


def _finding(table: str, entry: Any) -> Finding:
    config, result = entry.expectation_config, entry.result
    if not result:
        # The exception may be long, and the mistake is in a suite and not in the data.
        raise RuntimeError(f"{config.type} could not be computed on {table}.{config.kwargs.get('column')}")
    counts_rows = "unexpected_count" in result
    concerned: dict[str, set[str]] = {key: set() for key in result.get("unexpected_index_column_names") or []}
    for row in result.get("unexpected_index_list") or []:
        for key, values in concerned.items():
            values.update(row[key] if isinstance(row[key], list | tuple) else [row[key]])
    return Finding(
        table=table,
        expectation=config.type.removeprefix("expect_"),
        meaning=config.description,
        column=config.kwargs.get("column"),
        severity=str(getattr(config.severity, "value", config.severity)),
        success=bool(entry.success),
        observed=_observed(result),
        bound=_bound(config.kwargs, counts_rows),
        unexpected_count=int(result["unexpected_count"]) if counts_rows else None,
        notes=len(concerned["note_id"]) if "note_id" in concerned else None,
        labels=sorted(concerned["label"]) if "label" in concerned else None,
    )


def _observed(result: Mapping[str, Any]) -> float | None:
    if "unexpected_count" in result:
        judged = result["element_count"] - result["missing_count"]
        return round(1 - result["unexpected_count"] / judged, 6) if judged else None
    value = result["observed_value"]
    if isinstance(value, dict):
        value = value["values"][0]
    return None if value is None or math.isnan(value) else round(float(value), 6)


def _bound(kwargs: Mapping[str, Any], counts_rows: bool) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if ranges := kwargs.get("quantile_ranges"):
        low, high = ranges["value_ranges"][0]
    values = " and ".join(f"{sign} {limit:g}" for sign, limit in ((">=", low), ("<=", high)) if limit is not None)
    if not counts_rows:
        return values
    return f"share >= {kwargs.get('mostly', 1):g}" + (f" of rows {values}" if values else "")
