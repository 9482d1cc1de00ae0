"""Invented people and places. Each part of a corpus (train, test, public text) has its own name lists."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from stages.demo.language import Language
from stages.shared.text import folded

# Share of every name list that a part gets.
SHARES = {"train": 0.5, "test": 0.2, "public": 0.3}
# How much more often a name that is also a word or a town is met than another one.
_WORD_NAMES = 4
# Draws from each of Faker's name lists: enough to meet most of their 500 to 1000 names once.
_DRAWS = 1500


@dataclass(frozen=True, slots=True)
class Lists:
    """The names one part may use; no word of a person's name is in two parts."""

    male: tuple[str, ...]
    female: tuple[str, ...]
    last: tuple[str, ...]
    streets: tuple[str, ...]
    hospitals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """Someone with a name. `last` holds one or two last names."""

    first: str
    last: str
    female: bool

    def written(self, form: str) -> str:
        """The name as `full`, `first`, `last`, `listed`, `caps` (listed, upper case) or `short` (one initial)."""
        match form:
            case "full":
                return f"{self.first} {self.last}"
            case "first":
                return self.first
            case "last":
                return self.last
            case "listed":
                return f"{self.last}, {self.first}"
            case "caps":
                return f"{self.last}, {self.first}".upper()
            case "short":
                return f"{self.first[0]}. {self.last.split()[0]}"
        raise KeyError(form)


def lists(language: Language, seed: int) -> dict[str, Lists]:
    """The name lists of each part, by part."""
    from faker import Faker

    fake = Faker(language.locale)
    fake.seed_instance(seed)
    drawn = [
        [fake.first_name_male() for _ in range(_DRAWS)],
        [fake.first_name_female() for _ in range(_DRAWS)],
        [fake.last_name() for _ in range(_DRAWS)],
    ]
    male, female, last = (
        _names(found, own)
        for found, own in zip(drawn, (language.male, language.female, language.last), strict=True)
    )
    # First and last names are shared out together: "Alba" may be either. The names that are words are shared out
    # apart, so that each part has some.
    own = [*language.male, *language.female, *language.last]
    people = _share_out([*male, *female, *last], Random(f"{seed}/people"))
    people |= _share_out(own, Random(f"{seed}/word names"))
    streets = _share_out(language.street_names, Random(f"{seed}/streets"))
    hospitals = _share_out(language.hospital_names, Random(f"{seed}/hospitals"))

    def of(part: str, names: Iterable[str], parts: dict[str, str]) -> tuple[str, ...]:
        return tuple(name for name in names if parts[folded(name)] == part)

    return {
        part: Lists(
            of(part, male, people),
            of(part, female, people),
            of(part, last, people),
            of(part, language.street_names, streets),
            of(part, language.hospital_names, hospitals),
        )
        for part in SHARES
    }


def person(
    names: Lists, last_names: int, rng: Random, female: bool | None = None, family: str = ""
) -> Person:
    """Someone new; with `family`, of that (first) last name."""
    if female is None:
        female = rng.random() < 0.5
    firsts = names.female if female else names.male
    first = rng.choice(firsts)
    if rng.random() < 0.15:
        first = " ".join(dict.fromkeys([first, rng.choice(firsts)]))
    last = [family or rng.choice(names.last)]
    while len(last) < last_names:
        last.append(rng.choice(names.last))
    return Person(first, " ".join(last), female)


def _names(drawn: Iterable[str], own: tuple[str, ...]) -> list[str]:
    """One-word names in an order that does not depend on Faker's: each once, our own `_WORD_NAMES` times."""
    names = {name for name in (*drawn, *own) if name.isalpha() and len(name) > 1}
    return sorted(names) + sorted({name for name in own if len(name) > 1}) * (_WORD_NAMES - 1)


def _share_out(names: Iterable[str], rng: Random) -> dict[str, str]:
    """The part that each name belongs to, by folded name."""
    keys = sorted({folded(name) for name in names})
    rng.shuffle(keys)
    parts: dict[str, str] = {}
    start = 0.0
    for part, share in SHARES.items():
        for key in keys[round(start * len(keys)) : round((start + share) * len(keys))]:
            parts[key] = part
        start += share
    return parts
