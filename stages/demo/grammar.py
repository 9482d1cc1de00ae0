"""Templates of invented text, and how they become text with tagged spans.

A template is plain text with
  [a|b|]      one of the alternatives (an empty one leaves it out; repeat one to make it likelier)
  <o|a>       agreement with the patient: the first for a man, the second for a woman
  {name}      an entry of the lexicon, itself a template, or a slot that the scene fills in (a name, a date, ...)
  {^name}     the same with a capital first letter
  {60-110}    a whole number; {1.5-9.9} a decimal one; {digits 8} eight digits, the first not zero
Alternatives nest.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import NamedTuple, Protocol

from stages.shared.notes import Span

_RANGE = re.compile(r"(\d+)-(\d+)")
_DECIMAL = re.compile(r"(\d+\.\d+)-(\d+\.\d+)")
_DIGITS = re.compile(r"digits (\d+)")


class Piece(NamedTuple):
    """A stretch of text; with a label it is one span."""

    text: str
    label: str | None = None


class Scene(Protocol):
    """Who and what a text is about: fills the slots of its templates."""

    rng: Random
    decimal: str

    @property
    def female(self) -> bool:
        """Whether `<o|a>` takes its second form."""

    def entry(self, name: str) -> str | None:
        """A template of the lexicon by that name; None if it has none, so that `name` is a slot."""

    def fill(self, slot: str) -> Piece:
        """The text and label of a slot; KeyError if there is no such slot."""


@dataclass(frozen=True, slots=True)
class _Slot:
    name: str
    capital: bool


@dataclass(frozen=True, slots=True)
class _Choice:
    options: tuple[tuple["str | _Slot | _Choice", ...], ...]
    agrees: bool


def expand(template: str, scene: Scene) -> list[Piece]:
    """The pieces of one random reading of a template."""
    pieces: list[Piece] = []
    _expand(_parse(template), scene, pieces)
    return pieces


def assemble(pieces: Iterable[Piece]) -> tuple[str, list[Span]]:
    """The pieces' text and the spans in it, in order."""
    parts: list[str] = []
    spans: list[Span] = []
    length = 0
    for piece in pieces:
        end = length + len(piece.text)
        if piece.label is not None:
            spans.append(Span(length, end, piece.label))
        parts.append(piece.text)
        length = end
    return "".join(parts), spans


def _expand(nodes: tuple["str | _Slot | _Choice", ...], scene: Scene, pieces: list[Piece]) -> None:
    for node in nodes:
        if isinstance(node, str):
            pieces.append(Piece(node))
        elif isinstance(node, _Choice):
            option = node.options[scene.female] if node.agrees else scene.rng.choice(node.options)
            _expand(option, scene, pieces)
        else:
            first = len(pieces)
            _fill(node.name, scene, pieces)
            if node.capital:
                text, label = pieces[first]
                pieces[first] = Piece(text[:1].upper() + text[1:], label)


def _fill(name: str, scene: Scene, pieces: list[Piece]) -> None:
    if (entry := scene.entry(name)) is not None:
        _expand(_parse(entry), scene, pieces)
    elif match := _RANGE.fullmatch(name):
        pieces.append(Piece(str(scene.rng.randint(int(match[1]), int(match[2])))))
    elif match := _DECIMAL.fullmatch(name):
        number = f"{scene.rng.uniform(float(match[1]), float(match[2])):.1f}"
        pieces.append(Piece(number.replace(".", scene.decimal)))
    elif match := _DIGITS.fullmatch(name):
        length = int(match[1])
        pieces.append(Piece(str(scene.rng.randrange(10 ** (length - 1), 10**length))))
    else:
        pieces.append(scene.fill(name))


@cache
def _parse(template: str) -> tuple["str | _Slot | _Choice", ...]:
    nodes, end = _sequence(template, 0, "")
    if end != len(template):
        raise ValueError(f"template: unmatched bracket at {end}: {template}")
    return nodes


def _sequence(template: str, at: int, closing: str) -> tuple[tuple["str | _Slot | _Choice", ...], int]:
    """The nodes up to a `|` or the closing bracket, and the place of that sign."""
    nodes: list[str | _Slot | _Choice] = []
    literal: list[str] = []

    def flush() -> None:
        if literal:
            nodes.append("".join(literal))
            literal.clear()

    while at < len(template):
        sign = template[at]
        if closing and sign in ("|", closing):
            break
        if sign == "{":
            flush()
            end = template.index("}", at)
            name = template[at + 1 : end]
            nodes.append(_Slot(name.lstrip("^"), name.startswith("^")))
            at = end + 1
        elif sign in "[<":
            flush()
            choice, at = _choice(template, at)
            nodes.append(choice)
        elif sign in "]>}":
            break
        else:
            literal.append(sign)
            at += 1
    flush()
    return tuple(nodes), at


def _choice(template: str, at: int) -> tuple[_Choice, int]:
    agrees = template[at] == "<"
    closing = ">" if agrees else "]"
    options = []
    while True:
        option, at = _sequence(template, at + 1, closing)
        options.append(option)
        if at >= len(template) or template[at] not in ("|", closing):
            raise ValueError(f"template: {closing} expected: {template}")
        if template[at] == closing:
            break
    if agrees and len(options) != 2:
        raise ValueError(f"template: agreement needs two forms: {template}")
    return _Choice(tuple(options), agrees), at + 1
