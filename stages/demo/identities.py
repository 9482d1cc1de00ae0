"""Invented people and places. Each part of a corpus (train, test, public text) has name lists of its own."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from random import Random

from stages.demo.language import Language
from stages.notes.folding import folded

# Share of every name list that a part gets.
SHARES = {"train": 0.5, "test": 0.2, "public": 0.3}
# How often a name that is also a word or a town is listed; other names are listed once.
_WORD_NAMES = 4
# Draws from each of Faker's name lists: enough to draw most of their 500 to 1000 names at least once.
_DRAWS = 1500


@dataclass(frozen=True, slots=True)
class Lists:
    """The names that one part may use. No word of a person's name is in two parts."""

    male: tuple[str, ...]
    female: tuple[str, ...]
    last: tuple[str, ...]
    streets: tuple[str, ...]
    hospitals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """A person. `last` holds one or two last names."""

    first: str
    last: str
    female: bool

    @property
    def forms(self) -> dict[str, str]:
        """Ways to write the name; `short` has one initial and one last name."""
        listed = f"{self.last}, {self.first}"
        return {
            "full": f"{self.first} {self.last}",
            "first": self.first,
            "last": self.last,
            "listed": listed,
            "caps": listed.upper(),
            "short": f"{self.first[0]}. {self.last.split()[0]}",
        }


def lists(language: Language, seed: int) -> dict[str, Lists]:
    """The name lists of each part, by part."""
    from faker import Faker

    fake = Faker(language.locale)
    fake.seed_instance(seed)
    sources = (fake.first_name_male, fake.first_name_female, fake.last_name)
    own = (language.male, language.female, language.last)
    male, female, last = (
        _names([draw() for _ in range(_DRAWS)], names) for draw, names in zip(sources, own, strict=True)
    )
    # First and last names are divided together, as "Alba" may be either. Names that are also words are divided
    # separately, so that each part has some.
    people = _divided([*male, *female, *last], Random(f"{seed}/people"))
    people |= _divided(chain(*own), Random(f"{seed}/word names"))
    streets = _divided(language.street_names, Random(f"{seed}/streets"))
    hospitals = _divided(language.hospital_names, Random(f"{seed}/hospitals"))
    divided = (
        (male, people), (female, people), (last, people),
        (language.street_names, streets), (language.hospital_names, hospitals),
    )  # fmt: skip
    return {
        part: Lists(*(tuple(name for name in names if parts[folded(name)] == part) for names, parts in divided))
        for part in SHARES
    }


def person(names: Lists, last_names: int, rng: Random, female: bool | None = None, family: str = "") -> Person:
    """A new person; with `family`, that is their (first) last name."""
    if female is None:
        female = rng.random() < 0.5
    firsts = names.female if female else names.male
    first = rng.choice(firsts)
    if rng.random() < 0.15:
        first = " ".join(dict.fromkeys([first, rng.choice(firsts)]))
    last = [family or rng.choice(names.last), *(rng.choice(names.last) for _ in range(last_names - 1))]
    return Person(first, " ".join(last), female)


def _names(drawn: Iterable[str], own: tuple[str, ...]) -> list[str]:
    """One-word names in an order that does not depend on Faker's: each once, but our own `_WORD_NAMES` times."""
    names = {name for name in (*drawn, *own) if name.isalpha() and len(name) > 1}
    return sorted(names) + sorted({name for name in own if len(name) > 1}) * (_WORD_NAMES - 1)


def _divided(names: Iterable[str], rng: Random) -> dict[str, str]:
    """The part that each name belongs to, by folded name; each part gets its share of the names."""
    keys = sorted({folded(name) for name in names})
    rng.shuffle(keys)
    edges = [0, *(round(end * len(keys)) for end in accumulate(SHARES.values()))]
    return {key: part for part, (start, end) in zip(SHARES, pairwise(edges), strict=True) for key in keys[start:end]}
