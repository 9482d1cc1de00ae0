"""Leave out rewritten pieces that lost or gave away too much, and stop where too few are left (Great Expectations
gate). DVC stage pretraining_check."""

import argparse
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import polars as pl
from pydantic import AfterValidator, Field, RootModel, model_validator

from stages.pretraining.corpus import SUMMARY
from stages.shared import gate, lineage, ngrams, notes, params
from stages.shared.errors import run
from stages.shared.notes import Note
from stages.shared.outputs import building, write_json
from stages.shared.tags import words

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

Share = Annotated[float, Field(ge=0, le=1)]
# Length of the word n-grams whose share is copied (METHOD, section 3).
_GRAM = 5
# Fewest letters of a word that carries content, for the share of them that is kept.
_LETTERS = 5
# 3, 1,5, 12/03/2019, 120/80, 10:30, with the unit that follows.
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_MEASURE = re.compile(
    r"(\d+(?:[.,]\d+)?)\s?(mg/dl|g/dl|mmhg|mmol/l|meq/l|µg|mcg|mg|kg|ml|mm|cm|ui|lpm|rpm|ºc|°c|%|g|l|h)(?!\w)",
    re.I,
)
# What names a person or a record in any language: e-mail addresses, telephone and other long numbers.
_IDENTIFIER = re.compile(r"\S+@\S+\.\w+|\d(?:[ .-]?\d){6,}|\b[A-Z]{0,3}\d{5,}[A-Z]?\b")
FACTS = {
    "note_id": pl.String,
    "ended": pl.Boolean,
    "refused": pl.Boolean,
    "preamble": pl.Boolean,
    # Surely in another language than its source, which has the one expected.
    "strayed": pl.Boolean,
    # Words of the answer to one of its source.
    "length": pl.Float64,
    # Share of the answer's 5-grams that stand in its source; None for shorter answers.
    "copied": pl.Float64,
    # Shares of the source's numbers (dates among them), measures and content words that the answer has; None where
    # the source has none.
    "numbers": pl.Float64,
    "measures": pl.Float64,
    "content": pl.Float64,
    # Identifiers of the source that the answer has.
    "identifiers": pl.Int64,
    # The first reason to leave the answer out.
    "reason": pl.String,
    "accepted": pl.Boolean,
}
REASONS = (
    "unfinished",
    "empty",
    "refused",
    "preamble",
    "wrong_language",
    "too_short",
    "too_long",
    "copied",
    "numbers_missing",
    "measures_missing",
    "identifiers_left",
)


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression ({error})") from None
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]


class Fidelity(params.Section):
    """From where on a rephraser's answers can carry a claim (METHOD, section 3): means over all its answers."""

    content: Share
    numbers: Share
    copied: Share


class Check(params.Section):
    """Section pretraining.check."""

    stop: bool
    accepted: Share
    length: tuple[float, float]
    copied: Share
    numbers: Share
    measures: Share
    language: Share
    refusals: list[Pattern]
    preambles: list[Pattern]
    without_identifiers: list[str]
    fidelity: Fidelity

    @model_validator(mode="after")
    def _in_order(self) -> "Check":
        if not 0 <= self.length[0] < self.length[1]:
            raise ValueError("length: expected [shortest, longest]")
        return self


class Language(RootModel[Annotated[str, Field(pattern="^[a-z]{2,3}$")]]):
    """What the answers should be written in: corpora.<corpus>.language, a code of ISO 639."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="name of the corpus in params.yaml")
    parser.add_argument("--pieces", required=True, help="note table of the pieces")
    parser.add_argument("--answers", required=True, help="note table written by pretraining_rephrase")
    parser.add_argument("--out", required=True, help="note table to write: the answers that are kept")
    parser.add_argument(
        "--report", required=True, help="JSON file for people: counts by reason and every finding"
    )
    parser.add_argument("--passed", required=True, help="file that exists only if the branch may go on")
    args = parser.parse_args()
    settings = params.load(Check, "pretraining.check")
    language = params.load(Language, f"corpora.{args.corpus}.language").root
    prompt = Path(args.out).parts[-3]
    found = facts(args.pieces, args.answers, settings, language, prompt)
    summary = fidelity(found, settings.fidelity)
    reasons = Counter(found["reason"].drop_nulls())
    more = {"pieces": len(found), "reasons": {name: reasons[name] for name in REASONS}, **summary}
    findings = gate.validate({"answers": found}, expectations(settings))
    gate.judge(findings, args.report, args.passed, let_through=not settings.stop, more=more)
    kept = set(found.filter("accepted")["note_id"])
    with building(args.out) as out:
        notes.write(out, (note for note in notes.read(args.answers) if note.note_id in kept))
        lineage.write(out, lineage.read(args.answers))
        write_json(out / SUMMARY, more)


def facts(
    pieces: str | Path, answers: str | Path, settings: Check, language: str, prompt: str
) -> pl.DataFrame:
    """One row per answer, measured against its piece. Memory: the rows."""
    strays = straying(language, settings.language)
    rows = []
    for piece, answer in zip(notes.read(pieces), notes.read(answers), strict=True):
        if piece.note_id != answer.note_id:
            raise ValueError("answers are not in the order of their pieces")
        row = measured(piece.text, answer, settings, strays)
        row["reason"] = next(_faults(row, answer.text, settings, prompt), None)
        rows.append({"note_id": answer.note_id, **row, "accepted": row["reason"] is None})
    return pl.DataFrame(rows, schema=FACTS)


def measured(
    source: str, answer: Note, settings: Check, strays: Callable[[str, str], bool]
) -> dict[str, Any]:
    """What can be counted of one answer."""
    text = answer.text
    here, there = (ngrams.word_hashes(part) for part in (source, text))
    grams = ngrams.ngrams(there, _GRAM)
    known = np.unique(ngrams.ngrams(here, _GRAM))
    return {
        "ended": answer.provenance["ended"],
        "refused": _begins(text, settings.refusals),
        "preamble": _begins(text, settings.preambles),
        "strayed": strays(source, text),
        "length": len(words(text)) / max(1, len(words(source))),
        "copied": float(ngrams.found(grams, known).mean()) if len(grams) else None,
        "numbers": _kept(_numbers(source), _numbers(text)),
        "measures": _kept(_measures(source), _measures(text)),
        "content": _kept(_content(source), _content(text)),
        "identifiers": sum((_identifiers(source) & _identifiers(text)).values()),
    }


def _faults(row: dict[str, Any], text: str, settings: Check, prompt: str) -> Iterator[str]:
    shortest, longest = settings.length

    def below(name: str, least: float) -> bool:
        return row[name] is not None and row[name] < least

    faults = {
        "unfinished": not row["ended"],
        "empty": not text.strip(),
        "refused": row["refused"],
        "preamble": row["preamble"],
        "wrong_language": row["strayed"],
        "too_short": row["length"] < shortest,
        "too_long": row["length"] > longest,
        "copied": row["copied"] is not None and row["copied"] > settings.copied,
        "numbers_missing": below("numbers", settings.numbers),
        "measures_missing": below("measures", settings.measures),
        "identifiers_left": prompt in settings.without_identifiers and row["identifiers"] > 0,
    }
    return (name for name in REASONS if faults[name])


def straying(language: str, least: float) -> Callable[[str, str], bool]:
    """Whether an answer left the `language` of its source for another, with a probability of at least `least`."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def strays(source: str, text: str) -> bool:
        found, probability = identifier.classify(text)
        return found != language and probability >= least and identifier.classify(source)[0] == language

    return strays


def expectations(settings: Check) -> dict[str, list["Expectation"]]:
    """The suite of the facts table `answers`."""
    import great_expectations.expectations as gxe

    return {
        "answers": [
            gxe.ExpectTableRowCountToBeBetween(min_value=1, description="there are answers"),
            gxe.ExpectColumnValuesToBeUnique(column="note_id", description="every piece has one answer"),
            gxe.ExpectColumnValuesToBeInSet(
                column="accepted",
                value_set=[True],
                mostly=settings.accepted,
                description="answers are good enough to learn from",
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="identifiers",
                value_set=[0],
                severity="warning",
                description="no identifier of the source stands in the answer",
            ),
        ]
    }


def fidelity(found: pl.DataFrame, bounds: Fidelity) -> dict[str, Any]:
    """Mean shares over all answers, and whether they reach the bounds: only then can this rephraser bear a claim."""
    means = {name: found[name].mean() for name in ("content", "numbers", "copied")}
    faithful = (
        (means["content"] or 0) >= bounds.content
        and (means["numbers"] is None or means["numbers"] >= bounds.numbers)
        and (means["copied"] or 0) <= bounds.copied
    )
    rounded = {name: None if value is None else round(value, 6) for name, value in means.items()}
    return {"fidelity": rounded, "faithful": faithful}


def _begins(text: str, patterns: list[str]) -> bool:
    return any(re.match(pattern, text.lstrip(), re.IGNORECASE) for pattern in patterns)


def _kept(wanted: Counter[Any], found: Counter[Any]) -> float | None:
    return (wanted & found).total() / wanted.total() if wanted else None


def _numbers(text: str) -> Counter[str]:
    return Counter(match.group().replace(",", ".") for match in _NUMBER.finditer(text))


def _measures(text: str) -> Counter[tuple[str, str]]:
    return Counter((number.replace(",", "."), unit.lower()) for number, unit in _MEASURE.findall(text))


def _content(text: str) -> Counter[str]:
    found = (text[start:end].lower() for start, end in words(text))
    return Counter({word: 1 for word in found if len(word) >= _LETTERS and word.isalpha()})


def _identifiers(text: str) -> Counter[str]:
    return Counter({re.sub(r"[ .-]", "", match.group()).lower(): 1 for match in _IDENTIFIER.finditer(text)})


if __name__ == "__main__":
    run(main)
