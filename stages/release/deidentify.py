"""Replace what a tagger found in a note, by a policy (METHOD.md, section 6).

A policy says for every kind of PII what to do: keep it; mask it by its label, `[PATIENT]`; generalise it (a date to
its year, an age above 89 to 90+, a postal code to three digits); shift a date by the same number of days all over a
patient's notes; or put an invented surrogate of the same format in its place, the same for the same person within a
note. What cannot be read, a date without digits for example, is masked: nothing is kept because it was not
understood.
"""

import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from random import Random
from typing import Any, Literal

from pydantic import RootModel

from stages.shared.errors import UserError
from stages.shared.notes import Note, Span
from stages.shared.text import folded

Kind = Literal[
    "person", "date", "age", "zip", "phone", "email", "url", "id", "street", "place", "country", "organisation",
    "profession", "sex", "other",
]  # fmt: skip
Action = Literal["keep", "mask", "generalise", "shift", "surrogate"]
Policy = Mapping[Kind, Action]


class Kinds(RootModel[dict[str, Kind]]):
    """Section corpora.<corpus>.kinds: what each label is."""


# Languages that dates and names are read and written in.
Language = Literal["es", "sv", "en"]

# Kinds that each action is defined for; keep and mask are for all.
ACTIONS: dict[str, frozenset[str]] = {
    "generalise": frozenset({"date", "age", "zip"}),
    "shift": frozenset({"date"}),
    "surrogate": frozenset(
        {
            "person",
            "zip",
            "phone",
            "email",
            "url",
            "id",
            "street",
            "place",
            "country",
            "organisation",
            "profession",
        }
    ),
}
_LOCALES = {"es": "es_ES", "sv": "sv_SE", "en": "en_US"}
_MONTHS = {
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "sv": "januari februari mars april maj juni juli augusti september oktober november december",
    "en": "January February March April May June July August September October November December",
}
# Words of a name that are nobody's.
_PARTICLES = frozenset(
    "de del la las los y e von van der den af av dr dra don doña sr sra d dª mr mrs ms prof".split()
)
_WORD = re.compile(r"[^\W\d_]+")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
# Days that a date is shifted by: far enough to hide a stay, near enough to keep the season and the age.
_SHIFTS = (30, 364)
_TRIES = 50


def check(kinds: Mapping[str, Kind], policy: Policy, labels: Iterable[str], where: str) -> None:
    """UserError for a label without a kind, a kind without an action, or an action that a kind does not have."""
    problems = []
    for label in sorted(labels):
        if label not in kinds:
            problems.append(f"{label} has no kind; name one for it in corpora.<corpus>.kinds")
        elif kinds[label] not in policy:
            problems.append(f"{where} says nothing of {kinds[label]}, which {label} is; keep it or mask it")
    for kind, action in policy.items():
        if action in ACTIONS and kind not in ACTIONS[action]:
            known = ", ".join(sorted(ACTIONS[action]))
            problems.append(f"{where}.{kind}: {action} is for {known}; mask it, or keep it")
    if problems:
        raise UserError("\n".join(f"params.yaml: {problem}" for problem in problems))


class Deidentifier:
    """Notes with predicted spans in, the same notes with what the policy put in their place out.

    `key` makes shifts and surrogates: whoever knows it can undo a shift. Without one it is drawn anew and thrown
    away, so that notes treated apart do not agree.
    """

    def __init__(self, kinds: Mapping[str, Kind], policy: Policy, language: str, key: bytes | None = None):
        self._kinds = kinds
        self._policy = policy
        self._language = language
        self._key = secrets.token_bytes(32) if key is None else key

    def __call__(self, note: Note) -> Note:
        """The note with every span replaced; the new spans cover what stands there now, under their labels."""
        invented = _Invented(self._language, self._random("surrogates", note.note_id), note, self._kinds)
        days = self._random("shift", note.group_id)
        shift = timedelta(days.randint(*_SHIFTS) * days.choice((-1, 1)))
        pieces, spans, at, length = [], [], 0, 0
        for span in note.spans:
            new = self._replaced(note.surface(span), span.label, shift, invented)
            gap = note.text[at : span.start]
            pieces += [gap, new]
            start = length + len(gap)
            length = start + len(new)
            spans.append(Span(start, length, span.label, span.score))
            at = span.end
        return replace(note, text="".join([*pieces, note.text[at:]]), spans=tuple(spans))

    def _replaced(self, surface: str, label: str, shift: timedelta, invented: "_Invented") -> str:
        kind = self._kinds[label]
        made: str | None = None
        match self._policy[kind]:
            case "keep":
                return surface
            case "generalise":
                made = _GENERALISED[kind](surface)
            case "shift":
                made = shifted(surface, shift, self._language)
            case "surrogate":
                made = invented.surrogate(kind, surface)
                if made == surface:
                    # Nothing in it was letters or digits, or a name: not understood.
                    made = None
        return f"[{label}]" if made is None else made

    def _random(self, purpose: str, name: str) -> Random:
        return Random(hmac.digest(self._key, f"{purpose}\0{name}".encode(), "sha256"))


def _year(surface: str) -> str | None:
    found = _YEAR.findall(surface)
    return found[0] if len(found) == 1 else None


def _age(surface: str) -> str | None:
    """Numbers above 89 as 90+; an age in words is not read."""
    if not re.search(r"\d", surface):
        return None
    return re.sub(r"\d+", lambda found: found[0] if int(found[0]) <= 89 else "90+", surface)


def _zip(surface: str) -> str | None:
    """The first three digits; the others are stars."""
    seen = 0

    def star(found: re.Match) -> str:
        nonlocal seen
        seen += 1
        return found[0] if seen <= 3 else "*"

    starred = re.sub(r"\d", star, surface)
    return starred if seen > 3 else None


_GENERALISED: dict[str, Callable[[str], str | None]] = {"date": _year, "age": _age, "zip": _zip}


def shifted(surface: str, days: timedelta, language: str) -> str | None:
    """The date later by `days`, written as it was; None where no date is read.

    Numbers with a separator (day first; month first in English; year first where it has four digits), months by name,
    dates without a year (counted in one without a leap day), and years alone.
    """
    for pattern, order in _patterns(language):
        found = pattern.fullmatch(surface)
        if not found:
            continue
        given = {part: found[part] for part in order}
        try:
            new = _date(given, language) + days
        except (ValueError, OverflowError):
            return None
        pieces, at = [], 0
        for part in order:
            pieces += [surface[at : found.start(part)], _written(part, new, given, language)]
            at = found.end(part)
        return "".join([*pieces, surface[at:]])
    return None


@cache
def _patterns(language: str) -> list[tuple[re.Pattern, tuple[str, ...]]]:
    names = "|".join(_MONTHS[language].split())
    day, month, year = r"(?P<day>\d{1,2})", r"(?P<month>\d{1,2})", r"(?P<year>\d{4}|\d{2})"
    first, second = (month, day) if language == "en" else (day, month)
    separator = r"(?P<s>\s?[/.\-]\s?)"
    name = rf"(?P<name>{names})"
    joint = r"[\s,]+(?:de\s+|del\s+)?"
    numeric = ("month", "day") if language == "en" else ("day", "month")
    written = [
        (rf"{first}{separator}{second}(?P=s){year}", (*numeric, "year")),
        (rf"(?P<year>\d{{4}}){separator}{month}(?P=s){day}", ("year", "month", "day")),
        (rf"{day}(?:\.|º)?{joint}{name}{joint}(?P<year>\d{{4}})", ("day", "name", "year")),
        (rf"{name}{joint}{day},?\s+(?P<year>\d{{4}})", ("name", "day", "year")),
        (rf"{name}{joint}(?P<year>\d{{4}})", ("name", "year")),
        (rf"{day}(?:\.|º)?{joint}{name}", ("day", "name")),
        (rf"{name}{joint}{day}", ("name", "day")),
        (rf"{first}{separator}{second}", numeric),
        (r"(?P<year>(?:19|20)\d\d)", ("year",)),
        (name, ("name",)),
    ]
    return [(re.compile(pattern, re.IGNORECASE), order) for pattern, order in written]


def _date(given: Mapping[str, str], language: str) -> date:
    year = int(given.get("year", "2001"))
    if len(given.get("year", "2001")) == 2:
        year += 1900 if year > 30 else 2000
    if "name" in given:
        month = _MONTHS[language].lower().split().index(given["name"].lower()) + 1
    else:
        month = int(given.get("month", "7"))
    return date(year, month, int(given.get("day", "15" if "month" not in given else "1")))


def _written(part: str, new: date, given: Mapping[str, str], language: str) -> str:
    old = given[part]
    match part:
        case "name":
            return _like(old, _MONTHS[language].split()[new.month - 1])
        case "year":
            return f"{new.year % 100:02}" if len(old) == 2 else f"{new.year:04}"
    value = new.day if part == "day" else new.month
    # 3/12/2019 and 3 de abril have no leading zeros, 03/12 has.
    both = [given[other] for other in ("day", "month") if other in given]
    padded = old.startswith("0") or (len(both) == 2 and all(len(number) == 2 for number in both))
    return f"{value:02}" if padded else str(value)


class _Invented:
    """Surrogates within one note: the same surface, and the same word of a name, has the same one."""

    def __init__(self, language: str, random: Random, note: Note, kinds: Mapping[str, Kind]):
        self._language = language
        self._random = random
        self._made: dict[tuple[str, str], str] = {}
        # Nothing that stands in the note as PII may come out as somebody else's.
        surfaces = [note.surface(span) for span in note.spans]
        self._real = {folded(surface) for surface in surfaces}
        self._real |= {folded(word) for surface in surfaces for word in _WORD.findall(surface)}
        # Initials of names that stand in full elsewhere follow those.
        for span in note.spans:
            if kinds[span.label] == "person":
                self._names(note.surface(span))

    def surrogate(self, kind: str, surface: str) -> str:
        """What to put in the place of a surface."""
        if kind == "person":
            return self._names(surface)
        return self._once((kind, folded(surface)), lambda: _SURROGATES[kind](self, surface))

    def _names(self, surface: str) -> str:
        words = list(_WORD.finditer(surface))
        pieces, at = [], 0
        for number, found in enumerate(words):
            pieces += [surface[at : found.start()], self._name(found[0], number == 0)]
            at = found.end()
        return "".join([*pieces, surface[at:]])

    def _name(self, word: str, first: bool) -> str:
        plain = folded(word)
        if plain in _PARTICLES and len(plain) > 1:
            return word
        if len(word) == 1:
            whole = next(
                (new for (kind, old), new in self._made.items() if kind == "name" and old[0] == plain), ""
            )
            made = self._once(
                ("initial", plain), lambda: whole[:1] or self._random.choice("ABCDEFGILMNPRSTV")
            )
        else:
            made = self._once(
                ("name", plain), lambda: self.fake("first_name" if first else "last_name").split()[0]
            )
        return _like(word, made)

    def characters(self, surface: str) -> str:
        """Another digit for each digit and another letter for each letter, everything else as it is."""
        return "".join(self._character(sign) for sign in surface)

    def _character(self, sign: str) -> str:
        if sign.isdigit():
            # A leading zero may mean something (+34, 0046), a new one would.
            return self._random.choice("123456789") if sign != "0" else "0"
        if sign.isalpha() and sign not in "ºª":
            return _like(sign, self._random.choice("abcdefghijklmnopqrstuvwxyz"))
        return sign

    def street(self, surface: str) -> str:
        """Another street; the numbers that follow its name are other ones."""
        rest = re.search(r"[\s,]*\d.*$", surface, re.DOTALL)
        return self.fake("street_name") + (self.characters(rest[0]) if rest else "")

    def email(self, surface: str) -> str:
        """Another user of nobody's domain (RFC 2606)."""
        return self.characters(surface.partition("@")[0]).lower() + "@example.org"

    def organisation(self, surface: str) -> str:
        """A hospital named after nobody."""
        name = self.fake("last_name").split()[0]
        return f"{name}s sjukhus" if self._language == "sv" else f"Hospital {name}"

    def fake(self, provider: str) -> str:
        """What Faker invents in the note's language."""
        faker = _faker(_LOCALES[self._language])
        faker.seed_instance(self._random.getrandbits(64))
        return getattr(faker, provider)()

    def _once(self, key: tuple[str, str], make: Callable[[], str]) -> str:
        if key not in self._made:
            taken = {folded(made) for made in self._made.values()}
            for _ in range(_TRIES):
                self._made[key] = make()
                if key[0] == "initial" or folded(self._made[key]) not in self._real | taken:
                    break
        return self._made[key]


_SURROGATES: dict[str, Callable[[_Invented, str], str]] = {
    "zip": _Invented.characters,
    "phone": _Invented.characters,
    "id": _Invented.characters,
    "email": _Invented.email,
    "url": lambda invented, surface: "https://example.org",
    "street": _Invented.street,
    "place": lambda invented, surface: invented.fake("city"),
    "country": lambda invented, surface: invented.fake("country"),
    "organisation": _Invented.organisation,
    "profession": lambda invented, surface: invented.fake("job"),
}


@cache
def _faker(locale: str) -> Any:
    from faker import Faker

    return Faker(locale)


def _like(old: str, new: str) -> str:
    """`new` in the case of `old`."""
    if old.isupper() and (len(old) > 1 or len(new) == 1):
        return new.upper()
    if old.islower():
        return new.lower()
    return new[:1].upper() + new[1:]
