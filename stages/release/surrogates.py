"""Invented surrogates of the same format for names, numbers and places."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Any

from stages.notes.folding import folded
from stages.notes.labels import Kind
from stages.notes.note_table import Note
from stages.release.dates import match_case

_LOCALES = {"es": "es_ES", "sv": "sv_SE", "en": "en_US"}
# Small words inside a name, as in "Olmedo y Garrote" and "Ruiz de la Peña". First or last, they are a name.
_PARTICLES = frozenset(
    "de del la las los el da das do dos di y e i och and of the von van der den ter zu af av".split()
)
# Titles identify nobody. "Don" is one in Spanish only.
_TITLES = {language: frozenset("dr dra prof profa mr mrs ms sr sra srta".split()) for language in _LOCALES}
_TITLES["es"] |= frozenset("d dª dn don doña".split())
# Words of an address that say what the others are.
_STREET_WORDS = frozenset(
    """calle c cl avenida avda av plaza plza pza pl paseo pº camino cno carretera ctra crta ronda travesia
    urbanizacion urb barrio bda barriada poligono pol glorieta callejon callejuela via rambla rua pasaje
    parque sector bloque blq portal escalera esc piso puerta pta bajo bj entresuelo atico izquierda izq izda
    derecha dcha dcho dch numero num no nº km s n sn lugar aldea edificio edif residencia street st str road
    rd avenue ave lane ln drive dr boulevard blvd court ct way place square sq terrace ter highway hwy
    circle cir trail trl parkway pkwy alley crescent apartment apt suite ste unit floor fl room box po north
    south east west nw ne sw se gata gatan vag vagen vaeg torg torget grand stig stigen lagenhet lgh tr
    trappor trappa vaning bv uppgang""".split()
)
_WORD = re.compile(r"(?:[^\W\d_][\u0300-\u036f]*)+")
# A word, or letters and digits together, which are no name.
_CODE = re.compile(r"(?:[^\W_][\u0300-\u036f]*)+")
# A word of an address; a single letter is a number's. In "Calle 14 de Abril" the number belongs to the name.
_STREET_WORD = re.compile(r"(?<![\wºª])(?:[^\W\d_ºª][\u0300-\u036f]*){2,}|(?<!\w)(?:[nN]º|[cCsSnN])(?!\w)")
_NUMBERED = re.compile(r"\d+\s+(?:de|of)\s+(?=[^\W\d_])")
_POSSESSIVE = re.compile(r"['\u2019]")
# Draws in search of a surrogate whose words do not occur in the note.
_TRIES = 200


class Surrogates:
    """The surrogates of one note: equal surfaces, and equal words of names, get equal surrogates."""

    def __init__(self, language: str, random: Random, note: Note, kinds: Mapping[str, Kind]):
        self._language = language
        self._random = random
        self._made: dict[tuple[str, str], str | None] = {}
        # No word of the note may become a surrogate for something else.
        self._real = {folded(word) for word in _WORD.findall(_composed(note.text))}
        names = [_composed(note.surface(span)) for span in note.spans if kinds[span.label] == "person"]
        self._names = {folded(word) for name in names for word in _WORD.findall(name)}
        self._people = [[folded(word) for word in _WORD.findall(name)] for name in names]
        # Names that are written out come first, so that an initial can follow one that comes later in the note.
        for name in sorted(names, key=lambda name: any(len(word) == 1 for word in _WORD.findall(name))):
            self.surrogate("person", name)

    def surrogate(self, kind: Kind, surface: str) -> str | None:
        """Return the surrogate for a surface; None if it holds no letter or digit, or no name, or none was found."""
        surface = _composed(surface)
        if kind == "person":
            made = self._person(surface)
        else:
            made = self._once((kind, folded(surface)), lambda: self._invented(kind, surface))
        return made if made != surface else None

    def _invented(self, kind: Kind, surface: str) -> str | None:
        match kind:
            case _ if not _WORD.search(surface) or kind in ("zip", "phone", "id"):
                # A short one may come out as it was.
                tries = (self._characters(surface) for _ in range(_TRIES))
                return next((made for made in tries if made != surface), None)
            case "email":
                # A domain that belongs to nobody (RFC 2606).
                return self._characters(surface.partition("@")[0]).lower() + "@example.org"
            case "url":
                return "https://example.org"
            case "street":
                return self._street(surface)
            case "organisation":
                name = self._fresh("last_name", words=1)
                return name and (f"{name}s sjukhus" if self._language == "sv" else f"Hospital {name}")
            case _:
                return self._fresh({"place": "city", "country": "country", "profession": "job"}[kind])

    def _person(self, surface: str) -> str | None:
        """A name word by word, in its case and with its particles, titles and codes."""
        tokens = list(_CODE.finditer(surface))
        words = [folded(token[0]) for token in tokens]
        titled = 0
        while titled < len(words) - 1 and words[titled] in _TITLES[self._language]:
            titled += 1
        made, end = "", 0
        for place, token in enumerate(tokens):
            between = surface[end : token.start()]
            inner = titled < place < len(tokens) - 1 and words[place] in _PARTICLES
            if place < titled or (inner and (len(token[0]) > 1 or token[0].islower() or surface.isupper())):
                new: str | None = token[0]
            elif words[place] == "s" and _POSSESSIVE.fullmatch(between):
                new = token[0]
            elif not _WORD.fullmatch(token[0]):
                new = self._characters(token[0])
            else:
                new = self._name(token[0], first=place == titled, person=words)
            if new is None:
                return None
            made, end = made + between + new, token.end()
        # A title alone names nobody.
        return made + surface[end:] if words and words[-1] not in _TITLES[self._language] else None

    def _name(self, word: str, first: bool, person: list[str]) -> str | None:
        plain = folded(word)
        if len(plain) == 1:
            made = self._once(("initial", " ".join(person)), lambda: self._initial(plain, person))
        else:
            # Lindqvists is Lindqvist's, if there is a Lindqvist.
            genitive = plain.endswith("s") and plain[:-1] in self._names and len(plain) > 3
            plain = plain[:-1] if genitive else plain
            provider = "first_name" if first else "last_name"
            made = self._once(("name", plain), lambda: self._fresh(provider, words=1))
            made = f"{made}s" if genitive and made else made
        return made and match_case(word, made)

    def _initial(self, initial: str, person: list[str]) -> str:
        """The initial of the surrogate of the word that an initial stands for: a name of the person of that name."""
        others = {word for word in person if len(word) > 1} - _PARTICLES
        of_person = [words for words in self._people if others & set(words)]
        for words in (*of_person, *([] if of_person else self._people)):
            for word in words:
                if (
                    len(word) > 1
                    and word[0] == initial
                    and word not in others
                    and (made := self._made.get(("name", word)))
                ):
                    return made[0]
        return self._random.choice("ABCDEFGILMNPRSTV")

    def _street(self, surface: str) -> str | None:
        """The address with another name and other numbers, its parts in the same order."""
        # What may still turn out to lie between two words of the name.
        made, waiting, end, named = "", "", 0, False
        surface = _NUMBERED.sub("", surface)
        for token in _STREET_WORD.finditer(surface):
            between, word, end = surface[end : token.start()], folded(token[0]), token.end()
            together = named and not between.strip(" -")
            if together and word in _PARTICLES:
                waiting += between + token[0]
            elif word in _STREET_WORDS or word in _PARTICLES:
                made, waiting, named = made + waiting + self._numbers(between) + token[0], "", False
            elif together:
                waiting = ""
            else:
                name = self._fresh("street_name" if self._language == "sv" else "last_name", words=1)
                if name is None:
                    return None
                made, waiting, named = (
                    made + waiting + self._numbers(between) + match_case(token[0], name),
                    "",
                    True,
                )
        return made + waiting + self._numbers(surface[end:])

    def _fresh(self, provider: str, words: int | None = None) -> str | None:
        """What Faker invents in the note's language, none of whose words is in the note; None if there is no such."""
        faker = _faker(_LOCALES[self._language])
        taken = {folded(word) for made in self._made.values() if made for word in _WORD.findall(made)}
        for _ in range(_TRIES):
            faker.seed_instance(self._random.getrandbits(64))
            made = " ".join(getattr(faker, provider)().split()[:words])
            new = {folded(word) for word in _WORD.findall(made)} - _PARTICLES
            if new and not new & self._real and not new & taken:
                return made
        return None

    def _characters(self, surface: str) -> str:
        """Another digit for each digit and another letter for each letter, and the rest unchanged."""
        return "".join(self._character(surface, place) for place in range(len(surface)))

    def _numbers(self, between: str) -> str:
        """The same, for numbers each of which begins anew."""
        return re.sub(r"\d+|\D+", lambda found: self._characters(found[0]), between)

    def _character(self, surface: str, place: int) -> str:
        character = surface[place]
        if character.isdigit():
            # Leading zeros mean something, as in 0046. So they stay, and no new ones are made.
            leading = not any(before.isdigit() and before != "0" for before in surface[:place])
            return (
                character
                if leading and character == "0"
                else self._random.choice("123456789" if leading else "0123456789")
            )
        if character.isalpha() and character not in "ºª":
            return match_case(character, self._random.choice("abcdefghijklmnopqrstuvwxyz"))
        return character

    def _once(self, key: tuple[str, str], make: Callable[[], str | None]) -> str | None:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


def _composed(text: str) -> str:
    """The text with letters and their accents as one character where there is one: they are the same name."""
    return unicodedata.normalize("NFC", text)


@cache
def _faker(locale: str) -> Any:
    from faker import Faker

    return Faker(locale)
