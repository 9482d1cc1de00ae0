"""Leave out bad answers and stop if too few are left: a Great Expectations gate (DVC stage `pretraining_check`)."""

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from stages.gates import gate
from stages.notes import note_table
from stages.notes.labels import Labels
from stages.notes.note_table import NoteTable
from stages.pretraining import answers as measuring
from stages.pretraining.answers import Check
from stages.pretraining.corpus import SUMMARY
from stages.runtime import lineage
from stages.runtime.outputs import write_json
from stages.runtime.params import Root
from stages.runtime.stage import GateFile, OutFolder, stage


class Language(Root[Annotated[str, Field(pattern="^[a-z]{2,3}$")]]):
    """The language that the answers should be written in, as a code of ISO 639."""

    at: ClassVar[str] = "catalog.{corpus}.language"


@stage("pretraining.check")
def check(
    source: str,
    rephraser: str,
    prompt: str,
    corpus: str,
    fold: int,
    pieces: NoteTable,
    answers: NoteTable,
    out: OutFolder,
    report: GateFile,
    passed: GateFile,
    settings: Check,
    labels: Labels,
    language: Language,
) -> str:
    """Leave out rewritten pieces that lost or disclosed too much, and stop if too few are left.

    pieces: the pieces.
    answers: what the rephraser wrote, one answer per piece.
    out: note table of the accepted answers, and a summary of all.
    report: number of answers by reason for leaving them out, and every finding.
    passed: written only if the branch may go on.
    """
    tables, suites = evidence(pieces, answers, settings, labels, language, prompt)
    found = tables["answers"]
    reasons = {name: found["reason"].eq(name).sum() for name in measuring.reasons(settings, prompt)}
    summary = {"pieces": len(found), "reasons": reasons, **measuring.fidelity(found, settings.fidelity)}
    gate.judge(gate.validate(tables, suites), report, passed, let_through=not settings.stop, more=summary)
    accepted = set(found.filter("accepted")["note_id"])
    note_table.write(out, (note for note in note_table.read(answers) if note.note_id in accepted))
    lineage.write(out, lineage.read(answers))
    write_json(out / SUMMARY, summary)
    return f"{len(accepted)} of {len(found)} answers accepted"


def evidence(
    pieces: Path, answers: Path, settings: Check, labels: Labels, language: Language, prompt: str
) -> tuple[Any, Any]:
    """Facts and expectations by table."""
    import great_expectations.expectations as gxe
    from great_expectations.expectations.metadata_types import FailureSeverity

    good, safe = "answers are good enough to learn from", "no answer repeats an identifier of its piece"
    suite = [
        gxe.ExpectTableRowCountToBeBetween(min_value=1, description="there are answers"),
        gxe.ExpectColumnValuesToBeUnique(column="note_id", description="every piece has one answer"),
        gxe.ExpectColumnValuesToBeInSet(
            column="accepted", value_set=[True], mostly=settings.accepted, description=good
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="identifiers", value_set=[0], severity=FailureSeverity.WARNING, description=safe
        ),
    ]
    found = measuring.facts(pieces, answers, settings, labels.root, language.root, prompt)
    return {"answers": found}, {"answers": suite}


if __name__ == "__main__":
    check.main()
