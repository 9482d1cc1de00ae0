"""Quality gates: Great Expectations validates facts tables; a report for people, and `passed` for DVC, come out.

`passed` depends on the verdict alone, so a changed expectation re-runs a check in seconds and no training.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from stages.shared.console import say
from stages.shared.errors import UserError
from stages.shared.outputs import building, write_json

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.expectations import Expectation

PASSED = "passed\n"
LET_THROUGH = "failed, and let through by params\n"


@dataclass(frozen=True)
class Finding:
    """What one expectation found."""

    table: str
    expectation: str
    # What it means, for people.
    meaning: str
    column: str | None
    severity: str
    success: bool
    # Share of rows that meet it, or the measured value; None where there was nothing to measure.
    observed: float | None
    bound: str
    # Rows that do not meet it, notes that hold them, and labels concerned; None for a measured value.
    unexpected_count: int | None
    notes: int | None
    labels: list[str] | None

    def sentence(self) -> str:
        """One line for a terminal."""
        found = "nothing to measure" if self.observed is None else f"{self.observed:g}"
        where = f", not met in {self.notes} notes" if self.notes is not None else ""
        where += f": {', '.join(self.labels)}" if self.labels else ""
        return f"{self.meaning} ({self.table}.{self.column or 'rows'}): {found}, expected {self.bound}{where}"


def validate(
    facts: Mapping[str, pl.DataFrame], suites: Mapping[str, Sequence["Expectation"]]
) -> list[Finding]:
    """Findings of each table's expectations, in the order given; their `description` becomes the meaning.

    A table's columns `note_id` and `label` count the notes and name the labels concerned. Values stay out of the
    results (`exclude_unexpected_values`): a second lock, as facts hold no text.
    """
    found = []
    source = _context().data_sources.add_pandas("facts")
    for table, expectations in suites.items():
        batch = _batch_definition(source, table).get_batch(_frame(facts[table]))
        keys = [key for key in ("note_id", "label") if key in facts[table].columns]
        result = batch.validate(
            _suite(table, expectations),
            result_format={
                "result_format": "COMPLETE",
                "exclude_unexpected_values": True,
                "unexpected_index_column_names": keys,
            },
        )
        # Great Expectations returns them in an order of its own.
        by_number = {entry.expectation_config.meta["number"]: entry for entry in result.results}
        found += [_finding(table, by_number[number]) for number in range(len(expectations))]
    return found


def judge(
    findings: Sequence[Finding],
    report: str | Path,
    passed: str | Path,
    let_through: bool = False,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write the report, with `more` beside the findings, say what failed, and write `passed`.

    Raises UserError on a failed critical expectation, and `passed` is then absent; with `let_through` it is
    written and says so.
    """
    failed = [finding for finding in findings if not finding.success]
    critical = [finding for finding in failed if finding.severity == "critical"]
    write_json(
        report,
        {
            "passed": not critical,
            "expectations": len(findings),
            "failed_critical": len(critical),
            "failed_warning": len(failed) - len(critical),
            "findings": [asdict(finding) for finding in findings],
            **(more or {}),
        },
    )
    for finding in failed:
        if finding.severity != "critical" or let_through:
            say(f"{finding.severity}: {finding.sentence()}")
    if critical and not let_through:
        Path(passed).unlink(missing_ok=True)
        lines = "\n".join(f"  {finding.sentence()}" for finding in critical)
        raise UserError(
            f"{len(critical)} of {len(findings)} expectations failed, all are in {report}; "
            f"mend the notes, or the bound in params.yaml if it is wrong:\n{lines}"
        )
    with building(passed) as partial:
        partial.write_text(LET_THROUGH if critical else PASSED, encoding="utf-8")


def write_docs(
    facts: Mapping[str, pl.DataFrame], suites: Mapping[str, Sequence["Expectation"]], folder: str | Path
) -> None:
    """Write Great Expectations' data docs (HTML) of the same suites to `folder`/index.html."""
    import great_expectations as gx

    context = _context()
    site = {
        "class_name": "SiteBuilder",
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(Path(folder).resolve()),
        },
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    context.add_data_docs_site(site_name="docs", site_config=site)
    source = context.data_sources.add_pandas("facts")
    for table, expectations in suites.items():
        validation = gx.ValidationDefinition(
            name=table,
            data=_batch_definition(source, table),
            suite=context.suites.add(_suite(table, expectations)),
        )
        checkpoint = gx.Checkpoint(
            name=table,
            validation_definitions=[context.validation_definitions.add(validation)],
            actions=[gx.checkpoint.UpdateDataDocsAction(name="docs", site_names=["docs"])],
            result_format={"result_format": "BASIC", "exclude_unexpected_values": True},
        )
        context.checkpoints.add(checkpoint).run(batch_parameters=_frame(facts[table]))


def _context() -> Any:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context


def _batch_definition(source: Any, table: str) -> Any:
    return source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("all")


def _frame(facts: pl.DataFrame) -> dict[str, Any]:
    # Great Expectations knows pandas, not polars.
    return {"dataframe": facts.to_pandas()}


def _suite(table: str, expectations: Sequence["Expectation"]) -> "ExpectationSuite":
    import great_expectations as gx

    numbered = [entry.copy(update={"meta": {"number": number}}) for number, entry in enumerate(expectations)]
    return gx.ExpectationSuite(name=table, expectations=numbered)


def _finding(table: str, entry: Any) -> Finding:
    config, result = entry.expectation_config, entry.result
    kwargs = config.kwargs
    if not result:
        # Its exception may be long, and the mistake is in a suite, not in the data.
        raise RuntimeError(f"{config.type} could not be computed on {table}.{kwargs.get('column')}")
    rows = "unexpected_count" in result
    concerned = [value for part in result.get("unexpected_index_list") or [] for value in part.items()]
    note_ids = {value for key, values in concerned if key == "note_id" for value in _listed(values)}
    names = {value for key, values in concerned if key == "label" for value in _listed(values)}
    keys = result.get("unexpected_index_column_names") or []
    return Finding(
        table=table,
        expectation=config.type.removeprefix("expect_"),
        meaning=config.description,
        column=kwargs.get("column"),
        severity=str(getattr(config.severity, "value", config.severity)),
        success=bool(entry.success),
        observed=_observed(result),
        bound=_bound(kwargs, rows),
        unexpected_count=int(result["unexpected_count"]) if rows else None,
        notes=len(note_ids) if rows and "note_id" in keys else None,
        labels=sorted(names) if rows and "label" in keys else None,
    )


def _listed(values: Any) -> list[str]:
    return list(values) if isinstance(values, list | tuple) else [values]


def _observed(result: Mapping[str, Any]) -> float | None:
    if "unexpected_count" in result:
        judged = result["element_count"] - result["missing_count"]
        return round(1 - result["unexpected_count"] / judged, 6) if judged else None
    value = result["observed_value"]
    if isinstance(value, dict):
        value = value["values"][0]
    return None if value is None or math.isnan(value) else round(float(value), 6)


def _bound(kwargs: Mapping[str, Any], rows: bool) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if ranges := kwargs.get("quantile_ranges"):
        low, high = ranges["value_ranges"][0]
    limits = [f">= {low:g}"] if low is not None else []
    limits += [f"<= {high:g}"] if high is not None else []
    values = " and ".join(limits)
    if rows:
        share = f"share >= {kwargs.get('mostly', 1):g}"
        return f"{share} of rows {values}" if values else share
    return values
