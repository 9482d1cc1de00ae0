"""A patient, a visit and the people around it: fills the slots of the templates.

Slots, with the label of the span they make:
  patient, relative, doctor, referrer, nurse   PATIENT, RELATIVE, DOCTOR; with .first, .last, .listed, .caps, .short
  someone                                      any other person, a new one each time
  relative.phone, doctor.phone, doctor.licence, doctor.email, ... of that person: PHONE, LICENCE, EMAIL
  doctor.title, someone.titled, kin            "Dra.", "Dra. Rosa Cruz", "hija": no span
  id, record, insurance, phone, email, street, zip, city, profession           of the patient
  hospital, centre, city.other                 HOSPITAL (of the visit, of the referrer), CITY
  date.X, date.X.day, date.X.month, date.X.year                               DATE; X of _DAYS, or birth
  age, age.number, age.other                   AGE, of the patient or of a relative
Relative dates ("ayer", "hace tres días") are plain text, never spans: without an absolute date beside them they
say nothing about a person, and the corpora that the demo stands for do not tag them either. A span holds no
title and no closing full stop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from stages.demo import grammar
from stages.demo.grammar import Piece
from stages.demo.identities import Lists, Person, person
from stages.demo.language import Language
from stages.shared.text import folded

LABELS = (
    "AGE",
    "CITY",
    "DATE",
    "DOCTOR",
    "EMAIL",
    "HOSPITAL",
    "ID",
    "INSURANCE_ID",
    "LICENCE",
    "PATIENT",
    "PHONE",
    "PROFESSION",
    "RECORD",
    "RELATIVE",
    "STREET",
    "ZIP",
)

_ROLES = {
    "patient": "PATIENT",
    "relative": "RELATIVE",
    "doctor": "DOCTOR",
    "referrer": "DOCTOR",
    "nurse": "DOCTOR",
    "someone": "PATIENT",
}
_FORMS = ("full", "first", "last", "listed", "caps", "short")
_VALUES = {
    "id": "ID",
    "record": "RECORD",
    "insurance": "INSURANCE_ID",
    "licence": "LICENCE",
    "phone": "PHONE",
    "street": "STREET",
    "zip": "ZIP",
}
# Days from the visit, drawn once per scene: (earliest, latest).
_DAYS = {
    "visit": (0, 0),
    "admit": (-12, -2),
    "test": (-2, 0),
    "recent": (-25, -1),
    "past": (-3000, -60),
    "next": (7, 180),
}
_FIRST_VISIT, _VISITS = date(2015, 1, 1), 3600
# Doctors and nurses, hospitals and referring centres of one part: few enough that a name recurs in several notes.
_STAFF, _HOUSES = 90, 30


@dataclass(frozen=True)
class Patient:
    """Someone with notes. `values` are the pieces that every note of theirs repeats."""

    who: Person
    born: date
    relative: Person
    kin: str
    referrer: Person
    values: Mapping[str, Piece]


@dataclass(frozen=True)
class Place:
    """The world of one part of a corpus: its names, staff and hospitals."""

    language: Language
    names: Lists
    staff: tuple[Person, ...]
    hospitals: tuple[str, ...]
    centres: tuple[str, ...]
    # What belongs to a person for good (licence, phone, ...), filled as it is asked for.
    belongings: dict[tuple[Person, str], Piece]


def place(language: Language, names: Lists, seed: str) -> Place:
    """The world of one part; every draw follows from `seed`."""
    rng = Random(seed)
    staff = tuple(person(names, language.last_names, rng) for _ in range(_STAFF))

    def houses(templates: tuple[str, ...]) -> tuple[str, ...]:
        drawn = (rng.choice(templates).replace("{name}", rng.choice(names.hospitals)) for _ in range(_HOUSES))
        return tuple(sorted(set(drawn)))

    return Place(language, names, staff, houses(language.hospitals), houses(language.centres), {})


def patient(where: Place, rng: Random) -> Patient:
    """An invented adult with address, numbers, a relative and a family doctor."""
    language = where.language
    who = person(where.names, language.last_names, rng)
    kin, kin_female = rng.choice(language.kin)
    family = who.last.split()[0] if rng.random() < 0.4 else ""
    relative = person(where.names, language.last_names, rng, kin_female, family)
    # Adults at every visit: the youngest are 37 at the first.
    born = date(1930, 1, 1) + timedelta(days=rng.randrange(48 * 365))
    town, code = rng.choice(language.cities)
    scene = _Draft(where, rng)
    values = {
        slot: scene.value(slot, name=_street_name(where, rng), resident=language.resident_id(rng, born))
        for slot in ("id", "record", "insurance", "phone", "street")
    }
    values["city"] = Piece(town, "CITY")
    values["zip"] = Piece(code + scene.text(language.zips), "ZIP")
    values["email"] = Piece(_email(who, language, rng), "EMAIL")
    values["profession"] = Piece(rng.choice(language.professions), "PROFESSION")
    return Patient(who, born, relative, kin, rng.choice(where.staff), values)


class Scene:
    """One text's who, where and when (grammar.Scene)."""

    def __init__(self, where: Place, about: Patient, lexicon: Mapping[str, tuple[str, ...]], rng: Random):
        language = where.language
        self.rng, self.decimal = rng, language.decimal
        self._lexicon = lexicon
        self._unused: dict[str, list[str]] = {}
        self._where, self._about, self._language = where, about, language
        self._people = {
            "patient": about.who,
            "relative": about.relative,
            "referrer": about.referrer,
            "doctor": rng.choice(where.staff),
            "nurse": rng.choice(where.staff),
        }
        self._hospital, self._centre = rng.choice(where.hospitals), rng.choice(where.centres)
        visit = _FIRST_VISIT + timedelta(days=rng.randrange(_VISITS))
        self._days = {name: visit + timedelta(days=rng.randint(*span)) for name, span in _DAYS.items()}
        self._days["birth"] = about.born
        # An author keeps to a few ways of writing a date.
        self._full_dates = rng.sample(language.dates["full"], 2)
        self._age = (visit - about.born).days // 365

    @property
    def female(self) -> bool:
        """Whether the patient is a woman."""
        return self._about.who.female

    def entry(self, name: str) -> str | None:
        """One of the lexicon's templates: none comes back before all have had their turn."""
        if name not in self._lexicon:
            return None
        if not self._unused.get(name):
            self._unused[name] = self.rng.sample(self._lexicon[name], len(self._lexicon[name]))
        return self._unused[name].pop()

    def fill(self, slot: str) -> Piece:
        """The piece of a slot; KeyError if there is no such slot."""
        if slot in self._about.values:
            return self._about.values[slot]
        head, _, form = slot.partition(".")
        match head:
            case "kin":
                return Piece(self._about.kin)
            case "hospital":
                return Piece(self._hospital, "HOSPITAL")
            case "centre":
                return Piece(self._centre, "HOSPITAL")
            case "city":
                return Piece(self.rng.choice(self._language.cities)[0], "CITY")
            case "age":
                return Piece(self._written_age(form), "AGE")
            case "date":
                return Piece(self._written_date(form), "DATE")
        if head not in _ROLES:
            raise KeyError(slot)
        who = self._people.get(head) or person(self._where.names, self._language.last_names, self.rng)
        title = self._language.titles[who.female]
        if form == "title":
            return Piece(title)
        if form == "titled":
            return Piece(f"{title} {who.written('full')}")
        if not form or form in _FORMS:
            return Piece(who.written(form or "full"), _ROLES[head])
        return self._belonging(who, form)

    def _belonging(self, who: Person, slot: str) -> Piece:
        known = self._where.belongings
        if (who, slot) not in known:
            # By the person, not by the text that asks first: texts must not depend on each other.
            rng = Random(f"{who}/{slot}")
            if slot == "email":
                known[who, slot] = Piece(_email(who, self._language, rng), "EMAIL")
            else:
                known[who, slot] = _Draft(self._where, rng).value(slot)
        return known[who, slot]

    def _written_age(self, form: str) -> str:
        age = self.rng.randint(40, 92) if form == "other" else self._age
        return str(age) if form == "number" else self.rng.choice(self._language.ages).format(age=age)

    def _written_date(self, slot: str) -> str:
        name, _, form = slot.partition(".")
        day = self._days[name]
        language = self._language
        forms = language.dates[form] if form else self._full_dates
        month = language.months[day.month - 1]
        return self.rng.choice(forms).format(
            d=day.day,
            dd=f"{day.day:02}",
            m=day.month,
            mm=f"{day.month:02}",
            y=day.year,
            yy=f"{day.year % 100:02}",
            month=month,
            mon=month[:3],
            weekday=language.weekdays[day.weekday()],
        )


class _Draft:
    """The scene of a single value: no patient yet, only names and digits."""

    female = False

    def __init__(self, where: Place, rng: Random):
        self.rng, self.decimal = rng, where.language.decimal
        self._where = where
        self._given: dict[str, str] = {}

    def entry(self, name: str) -> None:
        return None

    def fill(self, slot: str) -> Piece:
        if slot == "letter":
            return Piece(self.rng.choice("ABCDEFGHJKLMNPRSTVWXYZ"))
        return Piece(self._given[slot])

    def text(self, template: str) -> str:
        return "".join(piece.text for piece in grammar.expand(template, self))

    def value(self, slot: str, **given: str) -> Piece:
        self._given = given
        return Piece(self.text(self._where.language.values[slot]), _VALUES[slot])


def _street_name(where: Place, rng: Random) -> str:
    """A street's name: now and then a person's."""
    if rng.random() < 0.2:
        return person(where.names, 1, rng).written("full")
    return rng.choice(where.names.streets)


def _email(who: Person, language: Language, rng: Random) -> str:
    first, last = (folded(name.split()[0]) for name in (who.first, who.last))
    user = rng.choice(
        [f"{first}.{last}", f"{first[0]}{last}", f"{first}{last}{rng.randint(1, 99)}", f"{last}_{first[0]}"]
    )
    return f"{user}@{rng.choice(language.domains)}"
