"""Templates of invented text, and how they are expanded to text with tagged spans.

A template is plain text with
  [a|b|]      one of the alternatives, which may be empty; repeat one to make it more likely
  <o|a>       agreement with the patient: the first form for a man, the second for a woman
  {name}      an entry of the lexicon, itself a template, or a slot that the scene fills (a name, a date, ...)
  {^name}     the same, with a capital first letter
  {60-110}    an integer; {1.5-9.9} a decimal number; {digits 8} eight digits, of which the first is not zero
Alternatives can be nested.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from random import Random
from typing import NamedTuple, Protocol, TypeAlias

from stages.notes.note_table import Span

_TOKEN = re.compile(r"\{[^{}]*\}|[\[<|>\]]|[^\[<|>\]{}]+")


class Piece(NamedTuple):
    """A stretch of text; with a label it is one span."""

    text: str
    label: str | None = None


class Scene(Protocol):
    """Who and what a text is about: fills the slots of its templates."""

    rng: Random
    decimal: str
    female: bool
    """Whether `<o|a>` takes its second form."""

    def entry(self, name: str) -> str | None:
        """A template of the lexicon with that name; None if there is none, so that `name` is a slot."""

    def fill(self, slot: str) -> Piece:
        """The text and label of a slot. Raises KeyError if there is no such slot."""


class _Slot(NamedTuple):
    name: str
    capital: bool


class _Choice(NamedTuple):
    options: list["_Nodes"]
    agrees: bool


_Nodes: TypeAlias = list[str | _Slot | _Choice]


def expand(template: str, scene: Scene) -> list[Piece]:
    """The pieces of one random reading of a template."""
    return _expanded(_parsed(template), scene)


def assemble(pieces: Iterable[Piece]) -> tuple[str, list[Span]]:
    """The text of the pieces, and the spans in it, in order."""
    text = ""
    spans = []
    for piece in pieces:
        if piece.label is not None:
            spans.append(Span(len(text), len(text) + len(piece.text), piece.label))
        text += piece.text
    return text, spans


def _expanded(nodes: _Nodes, scene: Scene) -> list[Piece]:
    pieces: list[Piece] = []
    for node in nodes:
        if isinstance(node, str):
            pieces.append(Piece(node))
        elif isinstance(node, _Choice):
            pieces += _expanded(node.options[scene.female] if node.agrees else scene.rng.choice(node.options), scene)
        else:
            filled = _filled(node.name, scene)
            if node.capital:
                text, label = filled[0]
                filled[0] = Piece(text[:1].upper() + text[1:], label)
            pieces += filled
    return pieces


def _filled(name: str, scene: Scene) -> list[Piece]:
    if (entry := scene.entry(name)) is not None:
        return expand(entry, scene)
    if match := re.fullmatch(r"(\d+)-(\d+)", name):
        text = str(scene.rng.randint(int(match[1]), int(match[2])))
    elif match := re.fullmatch(r"(\d+\.\d+)-(\d+\.\d+)", name):
        text = f"{scene.rng.uniform(float(match[1]), float(match[2])):.1f}".replace(".", scene.decimal)
    elif match := re.fullmatch(r"digits (\d+)", name):
        text = str(scene.rng.randrange(10 ** (int(match[1]) - 1), 10 ** int(match[1])))
    else:
        return [scene.fill(name)]
    return [Piece(text)]


@cache
def _parsed(template: str) -> _Nodes:
    """The nodes of a template. Raises ValueError for one with a bracket that has no partner."""
    tokens = _TOKEN.findall(template)
    nodes, _ = _sequence(iter(tokens), "")
    if "".join(tokens) != template:
        raise ValueError(f"template: unmatched brace: {template}")
    return nodes


def _sequence(tokens: Iterator[str], ends: str) -> tuple[_Nodes, str]:
    """The nodes up to one of the characters `ends` or the end of the template, and that character."""
    nodes: _Nodes = []
    for token in tokens:
        if token in ends:
            return nodes, token
        if token in "[<":
            nodes.append(_choice(tokens, "|>" if token == "<" else "|]"))
        elif token in "]>":
            raise ValueError(f"template: unmatched {token} after {nodes}")
        elif token[0] == "{":
            nodes.append(_Slot(token.strip("{^}"), token.startswith("{^")))
        else:
            nodes.append(token)
    return nodes, ""


def _choice(tokens: Iterator[str], ends: str) -> _Choice:
    options, end, agrees = [], "|", ends == "|>"
    while end == "|":
        option, end = _sequence(tokens, ends)
        options.append(option)
    if not end or (agrees and len(options) != 2):
        raise ValueError(f"template: {ends[-1]} expected, and two forms in <>: {options}")
    return _Choice(options, agrees)
