"""Measuring rewritten pieces: what an answer keeps, loses and repeats, and whether it is good enough."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from stages.generation.requests import BEYOND_CONTEXT, REFUSED
from stages.notes import ngrams, note_table
from stages.notes.folding import folded
from stages.notes.labels import Kind
from stages.notes.note_table import Note
from stages.notes.tags import WORD, word_offsets
from stages.runtime.params import Pattern, Section, Share

_GRAM = 5  # words of the n-grams whose share is copied (docs/method.md)
_REPEATED = 4  # words of the n-grams that an answer repeats, as in synthesis.acceptance
_LETTERS = 5  # minimum of a content word
# 3, 1,5, 12/03/2019, 120/80, 10:30, with the unit that follows.
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_MEASURE = re.compile(
    r"(\d+(?:[.,]\d+)?)\s?(mg/dl|g/dl|mmhg|mmol/l|meq/l|µg|mg|kg|ml|mm|cm|ui|lpm|rpm|°c|%|g|l|h)(?!\w)", re.I
)
# The other ways in which a unit is written: the Greek letter mu, its abbreviation, an ordinal mark, a ring.
_UNITS = (("μg", "µg"), ("mcg", "µg"), ("ºc", "°c"), ("˚c", "°c"))
# Kinds of PII that a prompt asking for identifiers to be replaced wants gone.
_IDENTIFYING = frozenset("person date zip phone email url id street place organisation".split())
# Identifiers in any language: e-mail addresses, telephone numbers and other long numbers.
_IDENTIFIER = re.compile(r"\S+@\S+\.\w+|\d(?:[ .-]?\d){6,}|\b[A-Z]{0,3}\d{5,}[A-Z]?\b")
# What `measured` returns.
FACTS = {
    "note_id": pl.String,
    **dict.fromkeys(("ended", "beyond_context", "refused", "preamble", "strayed"), pl.Boolean),
    **dict.fromkeys(("length", "repeated", "copied", "numbers", "measures", "content"), pl.Float64),
    "identifiers": pl.Int64,
}


class Fidelity(Section):
    """Minimum fidelity, on average over all its answers, of a rephraser that can support a claim (docs/method.md)."""

    content: Share
    """Lowest share of the words of five letters or more of a piece that are kept."""
    numbers: Share
    """Lowest share of the numbers of a piece that are kept."""
    copied: Share
    """Highest share of the 5-grams of an answer that occur in its piece."""


class Check(Section):
    """Which answers of a rephraser are good enough to pretrain on, and how many must be."""

    at: ClassVar[str] = "pretraining.check"

    stop: bool = True
    """Whether the branch stops if too few answers are accepted. false lets them through, and `passed` says so."""
    accepted: Share
    """Minimum share of the answers that must be accepted."""
    length: tuple[float, float]
    """Minimum and maximum length of an answer, as a multiple of the number of words of its piece."""
    copied: Share
    """Maximum share of the 5-grams of an answer that may occur in its piece."""
    repeated: Share = 0.5
    """Maximum share of the 4-grams of an answer that occur earlier in it, unless its piece repeats itself as much."""
    numbers: Share
    """Minimum share of the numbers of a piece, dates included, to be kept; 0.5 for an LLM. The demo's rephraser, of a
    million weights, keeps a third: 0 lets its answers through, and `fidelity` keeps it from supporting a claim."""
    measures: Share
    """Minimum share of the numbers with a unit that must be kept together with it."""
    language: Share = 0.9
    """Probability from which on an answer counts as written in a language other than the corpus's."""
    refusals: list[Pattern]
    """Regular expressions, case-insensitive, for the beginning of an answer that refuses."""
    preambles: list[Pattern]
    """Regular expressions, case-insensitive, for the beginning of an answer that announces itself."""
    without_identifiers: list[str] = Field(default=[])
    """Prompts that ask for identifiers to be replaced. Answers that repeat one of the piece's are left out, and
    numbers in tagged text need not stay. What an identifier is, the tags say; in text without any, e-mail addresses
    and long numbers count as one."""
    fidelity: Fidelity

    @model_validator(mode="after")
    def _in_order(self) -> "Check":
        if not 0 <= self.length[0] < self.length[1]:
            raise ValueError("length: expected [shortest, longest]")
        return self


def facts(
    pieces: Path, answers: Path, settings: Check, kinds: Mapping[str, Kind], language: str, prompt: str
) -> pl.DataFrame:
    """One row per answer, measured against its piece; `reason` is null if it is `accepted`."""
    replaced = kinds if prompt in settings.without_identifiers else None
    strays = straying(language, settings.language)
    rows = []
    for piece, answer in zip(note_table.read(pieces), note_table.read(answers), strict=True):
        if piece.note_id != answer.note_id:
            raise ValueError("answers are not in the order of their pieces")
        rows.append(measured(piece, answer, settings, strays, replaced))
    first = pl.coalesce(pl.when(fault).then(pl.lit(name)) for name, fault in reasons(settings, prompt).items())
    return pl.DataFrame(rows, schema=FACTS).with_columns(reason=first, accepted=first.is_null())


def measured(
    piece: Note,
    answer: Note,
    settings: Check,
    strays: Callable[[str, str], bool],
    replaced: Mapping[str, Kind] | None = None,
) -> dict[str, Any]:
    """The facts of one answer to a piece. A share is None if there is nothing of which it could be one.

    `replaced` has the kinds of labels if the prompt asks for identifiers to be replaced.

    strayed: whether it is in another language than its piece, which is in the expected one.
    length: number of words, as a multiple of the piece's.
    repeated: share of the answer's 4-grams that occur earlier in it, 0 if the piece repeats itself as much.
    copied: share of the answer's 5-grams that occur in its piece.
    numbers (dates included), measures, content (words): shares of those of the piece that the answer repeats; with
    `replaced`, of those outside its tags.
    identifiers: number of identifiers of the piece that the answer repeats.
    """
    source, text, fault = piece.text, answer.text, answer.provenance.get("fault", "")
    known, grams = (ngrams.ngrams(ngrams.word_hashes(part), _GRAM) for part in (source, text))
    repeated = _repeated(text)
    left = sum((_identifiers(source) & _identifiers(text)).values())
    if replaced is not None and piece.spans:
        left = _left(piece, text, replaced)
        source = _untagged(piece)
    return {
        "note_id": answer.note_id,
        "ended": answer.provenance["ended"],
        "beyond_context": fault == BEYOND_CONTEXT,
        "refused": fault == REFUSED or _begins(text, settings.refusals),
        "preamble": _begins(text, settings.preambles),
        "strayed": strays(piece.text, text),
        "length": len(word_offsets(text)) / max(1, len(word_offsets(piece.text))),
        "repeated": repeated if repeated > _repeated(piece.text) else 0.0,
        "copied": float(ngrams.found(grams, np.unique(known)).mean()) if len(grams) else None,
        "numbers": _kept(_numbers(source), _numbers(text)),
        "measures": _kept(_measures(source), _measures(text)),
        "content": _kept(_content(source), _content(text)),
        "identifiers": left,
    }


def reasons(settings: Check, prompt: str) -> dict[str, pl.Expr]:
    """When an answer is left out, by the reason that is given; the first one counts. An unknown share is no fault."""
    shortest, longest = settings.length
    return {
        "beyond_context": pl.col("beyond_context"),
        "refused": pl.col("refused"),
        "unfinished": ~pl.col("ended"),
        "empty": pl.col("length") == 0,
        "preamble": pl.col("preamble"),
        "wrong_language": pl.col("strayed"),
        "too_short": pl.col("length") < shortest,
        "too_long": pl.col("length") > longest,
        "repetitive": pl.col("repeated") > settings.repeated,
        "copied": pl.col("copied") > settings.copied,
        "numbers_missing": pl.col("numbers") < settings.numbers,
        "measures_missing": pl.col("measures") < settings.measures,
        "identifiers_left": (pl.col("identifiers") > 0) & (prompt in settings.without_identifiers),
    }


def straying(language: str, least: float) -> Callable[[str, str], bool]:
    """A function that says whether an answer left its piece's `language`, with at least the probability `least`."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def strays(source: str, text: str) -> bool:
        found, probability = identifier.classify(text)
        return found != language and probability >= least and identifier.classify(source)[0] == language

    return strays


def fidelity(found: pl.DataFrame, bounds: Fidelity) -> dict[str, Any]:
    """Mean shares over all answers, and whether they reach the bounds, so that the rephraser can support a claim."""
    means: dict[str, Any] = {name: found[name].mean() for name in ("content", "numbers", "copied")}
    faithful = (
        (means["content"] or 0) >= bounds.content
        and (means["numbers"] is None or means["numbers"] >= bounds.numbers)
        and (means["copied"] or 0) <= bounds.copied
    )
    rounded = {name: None if value is None else round(value, 6) for name, value in means.items()}
    return {"fidelity": rounded, "faithful": faithful}


def _begins(text: str, patterns: list[str]) -> bool:
    # Models write both apostrophes.
    start = text.lstrip().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return any(re.match(pattern, start, re.IGNORECASE) for pattern in patterns)


def _repeated(text: str) -> float:
    return ngrams.repeated(ngrams.word_hashes(text), _REPEATED)


def _untagged(piece: Note) -> str:
    """The text of a piece without what its spans cover."""
    text, end = "", 0
    for span in piece.spans:
        text, end = f"{text}{piece.text[end : span.start]} ", span.end
    return text + piece.text[end:]


def _left(piece: Note, text: str, kinds: Mapping[str, Kind]) -> int:
    """Number of spans with an identifier that a text repeats: in whole, or a capitalised word of a name."""
    written = [folded(word) for word in WORD.findall(text)]
    words, joined = set(written), f" {' '.join(written)} "
    count = 0
    for span in piece.spans:
        surface = WORD.findall(piece.surface(span))
        kind = kinds.get(span.label, "other")
        named = kind == "person" and any(
            len(word) > 2 and word[0].isupper() and folded(word) in words for word in surface
        )
        count += named or (kind in _IDENTIFYING and f" {' '.join(map(folded, surface))} " in joined)
    return count


def _kept(wanted: Counter[Any], found: Counter[Any]) -> float | None:
    return (wanted & found).total() / wanted.total() if wanted else None


def _numbers(text: str) -> Counter[str]:
    return Counter(match.group().replace(",", ".") for match in _NUMBER.finditer(text))


def _measures(text: str) -> Counter[tuple[str, str]]:
    lowered = text.lower()
    for other, usual in _UNITS:
        lowered = lowered.replace(other, usual)
    return Counter((number.replace(",", "."), unit) for number, unit in _MEASURE.findall(lowered))


def _content(text: str) -> Counter[str]:
    words = set(map(str.lower, WORD.findall(text)))
    return Counter(word for word in words if len(word) >= _LETTERS and word.isalpha())


def _identifiers(text: str) -> Counter[str]:
    return Counter({re.sub(r"[ .-]", "", match.group()).lower(): 1 for match in _IDENTIFIER.finditer(text)})
