"""Invented surrogates of the same format for names, numbers and places."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from itertools import count
from random import Random
from typing import Any

from stages.notes.folding import folded
from stages.notes.labels import Kind
from stages.notes.note_table import Note

_LOCALES = {"es": "es_ES", "sv": "sv_SE", "en": "en_US"}
# Words of a name that identify nobody.
_PARTICLES = frozenset(
    "de del la las los y e von van der den af av dr dra don doña sr sra d dª mr mrs ms prof".split()
)
_WORD = re.compile(r"[^\W\d_]+")
# Draws in search of a surrogate that does not occur in the note.
_TRIES = 50


class Surrogates:
    """The surrogates of one note: equal surfaces, and equal words of names, get equal surrogates."""

    def __init__(self, language: str, random: Random, note: Note, kinds: Mapping[str, Kind]):
        self._language = language
        self._random = random
        self._made: dict[tuple[str, str], str] = {}
        # No PII of the note may become a surrogate for something else.
        surfaces = [note.surface(span) for span in note.spans]
        self._real = {folded(word) for surface in surfaces for word in (surface, *_WORD.findall(surface))}
        # Names come first, so that an initial can follow a name that is written out later in the note.
        for span in note.spans:
            if kinds[span.label] == "person":
                self.surrogate("person", note.surface(span))

    def surrogate(self, kind: Kind, surface: str) -> str | None:
        """Return the surrogate for a surface; None if it holds no letter or digit, or no name."""
        if kind == "person":
            number = count()
            made = _WORD.sub(lambda found: self._name(found[0], first=next(number) == 0), surface)
        else:
            made = self._once((kind, folded(surface)), lambda: self._invented(kind, surface))
        return made if made != surface else None

    def _invented(self, kind: Kind, surface: str) -> str:
        match kind:
            case "zip" | "phone" | "id":
                return self._characters(surface)
            case "email":
                # A domain that belongs to nobody (RFC 2606).
                return self._characters(surface.partition("@")[0]).lower() + "@example.org"
            case "url":
                return "https://example.org"
            case "street":
                number = re.search(r"[\s,]*\d.*$", surface, re.DOTALL)
                return self._fake("street_name") + (self._characters(number[0]) if number else "")
            case "organisation":
                name = self._fake("last_name").split()[0]
                return f"{name}s sjukhus" if self._language == "sv" else f"Hospital {name}"
            case _:
                return self._fake({"place": "city", "country": "country", "profession": "job"}[kind])

    def _fake(self, provider: str) -> str:
        """What a provider of Faker invents in the note's language."""
        faker = _faker(_LOCALES[self._language])
        faker.seed_instance(self._random.getrandbits(64))
        return getattr(faker, provider)()

    def _name(self, word: str, first: bool) -> str:
        plain = folded(word)
        if plain in _PARTICLES and len(plain) > 1:
            return word
        if len(word) == 1:
            whole = next((new for (kind, old), new in self._made.items() if kind == "name" and old[0] == plain), "")
            made = self._once(("initial", plain), lambda: whole[:1] or self._random.choice("ABCDEFGILMNPRSTV"))
        else:
            made = self._once(("name", plain), lambda: self._fake("first_name" if first else "last_name").split()[0])
        return match_case(word, made)

    def _characters(self, surface: str) -> str:
        """Another digit for each digit and another letter for each letter, and the rest unchanged."""
        return "".join(map(self._character, surface))

    def _character(self, character: str) -> str:
        if character.isdigit():
            # Zeros stay, and no new ones are made: leading ones mean something, as in +34 or 0046.
            return self._random.choice("123456789") if character != "0" else "0"
        if character.isalpha() and character not in "ºª":
            return match_case(character, self._random.choice("abcdefghijklmnopqrstuvwxyz"))
        return character

    def _once(self, key: tuple[str, str], make: Callable[[], str]) -> str:
        if key not in self._made:
            taken = {folded(made) for made in self._made.values()}
            for _ in range(_TRIES):
                self._made[key] = make()
                if key[0] == "initial" or folded(self._made[key]) not in self._real | taken:
                    break
        return self._made[key]


def match_case(old: str, new: str) -> str:
    """Return `new` in the case of `old`: upper, lower or capitalised."""
    if old.isupper() and (len(old) > 1 or len(new) == 1):
        return new.upper()
    return new.lower() if old.islower() else new[:1].upper() + new[1:]


@cache
def _faker(locale: str) -> Any:
    from faker import Faker

    return Faker(locale)
