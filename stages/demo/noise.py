"""What hurried authors do to a text: abbreviations, typing errors, missing accents, hard line breaks."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from random import Random

from stages.demo.grammar import Piece

# Shares of notes by an author who abbreviates, omits accents, or breaks lines.
_ABBREVIATING, _NO_ACCENTS, _WRAPPED = 0.3, 0.06, 0.4
# Share of the words with an abbreviation that such an author abbreviates, and of all long words that are mistyped.
_SHORTENED, _MISTYPED = 0.6, 0.008
_LONG_WORD = re.compile(r"[^\W\d_]{6,}")


def noisy(pieces: Iterable[Piece], abbreviations: Mapping[str, str], rng: Random) -> list[Piece]:
    """The pieces as one author would type them. Only text outside spans is abbreviated or mistyped."""
    shortens = rng.random() < _ABBREVIATING
    plain = rng.random() < _NO_ACCENTS
    words = re.compile(rf"\b({'|'.join(map(re.escape, abbreviations))})\b")

    def shorten(match: re.Match[str]) -> str:
        return abbreviations[match[0]] if rng.random() < _SHORTENED else match[0]

    def mistype(match: re.Match[str]) -> str:
        word = match[0]
        if rng.random() >= _MISTYPED:
            return word
        at = rng.randrange(1, len(word) - 2)
        return rng.choice([word[:at] + word[at + 1] + word[at] + word[at + 2 :], word[:at] + word[at + 1 :]])

    result = []
    for text, label in pieces:
        if label is None:
            if shortens:
                text = words.sub(shorten, text)
            text = _LONG_WORD.sub(mistype, text)
        if plain:
            # Every accented letter becomes its base letter; the length does not change.
            text = "".join(unicodedata.normalize("NFD", sign)[0] for sign in text)
        result.append(Piece(text, label))
    return result


def wrapped(text: str, rng: Random) -> str:
    """`text`, in some notes with hard line breaks; each replaces one space, inside spans too, so offsets are kept."""
    if rng.random() >= _WRAPPED:
        return text
    width = rng.randint(55, 90)
    return "\n".join(_break(line, width) for line in text.split("\n"))


def _break(line: str, width: int) -> str:
    start = 0
    while len(line) - start > width:
        space = line.rfind(" ", start, start + width + 1)
        if space <= start:
            break
        line = f"{line[:space]}\n{line[space + 1 :]}"
        start = space + 1
    return line
