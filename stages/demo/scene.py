"""A patient, a visit and the people involved: fills the slots of the templates.

Slots, with the label of the span that they become:
  patient, relative, doctor, referrer, nurse   PATIENT, RELATIVE, DOCTOR; with .first, .last, .listed, .caps, .short
  someone                                      another person, a new one each time
  relative.phone, doctor.phone, doctor.licence, doctor.email, ... of that person: PHONE, LICENCE, EMAIL
  doctor.title, someone.titled, kin            "Dra.", "Dra. Rosa Cruz", "hija": no span
  id, record, insurance, phone, email, street, zip, city, profession           of the patient
  hospital, centre, city.other                 HOSPITAL (of the visit, of the referrer), CITY
  date.X, date.X.day, date.X.month, date.X.year                               DATE; X of _DAYS, or birth
  age, age.number, age.other                   AGE, of the patient or of a relative
Relative dates ("ayer", "hace tres días") are plain text, never spans: without an absolute date they reveal nothing
about a person, and the corpora that the demo stands for do not tag them either. Spans exclude titles and final full
stops.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from stages.demo import grammar
from stages.demo.grammar import Piece
from stages.demo.identities import Lists, Person, person
from stages.demo.language import Language
from stages.notes.folding import folded

_ROLES = {"patient": "PATIENT", "someone": "PATIENT", "relative": "RELATIVE"} | dict.fromkeys(
    ("doctor", "referrer", "nurse"), "DOCTOR"
)
# Days from the visit, drawn once per scene: (earliest, latest).
_DAYS = {
    "visit": (0, 0), "admit": (-12, -2), "test": (-2, 0), "recent": (-25, -1), "past": (-3000, -60), "next": (7, 180),
}  # fmt: skip
_FIRST_VISIT, _VISITS = date(2015, 1, 1), 3600
# Doctors and nurses, hospitals and referring centres of one part: few enough that a name recurs in several notes.
_STAFF, _HOUSES = 90, 30


@dataclass(frozen=True)
class Patient:
    """A person with notes. `values` are the pieces that all of their notes repeat."""

    who: Person
    born: date
    relative: Person
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


def place(language: Language, names: Lists, seed: str) -> Place:
    """Invent the world of one part; every draw is determined by `seed`."""
    rng = Random(seed)
    staff = tuple(person(names, language.last_names, rng) for _ in range(_STAFF))

    def houses(templates: tuple[str, ...]) -> tuple[str, ...]:
        drawn = {rng.choice(templates).replace("{name}", rng.choice(names.hospitals)) for _ in range(_HOUSES)}
        return tuple(sorted(drawn))

    return Place(language, names, staff, houses(language.hospitals), houses(language.centres))


def patient(where: Place, rng: Random) -> Patient:
    """Invent an adult with an address, numbers, a relative and a family doctor."""
    language = where.language
    who = person(where.names, language.last_names, rng)
    kin, kin_female = rng.choice(language.kin)
    family = who.last.split()[0] if rng.random() < 0.4 else ""
    relative = person(where.names, language.last_names, rng, kin_female, family)
    # Adults at every visit: the youngest patients are 37 at the first one.
    born = date(1930, 1, 1) + timedelta(days=rng.randrange(48 * 365))
    town, code = rng.choice(language.cities)
    values = {"kin": Piece(kin), "city": Piece(town, "CITY")}
    for slot in ("id", "record", "insurance", "phone", "street"):
        values[slot] = _value(
            slot, where, rng, name=_street_name(where, rng), resident=language.resident_id(rng, born)
        )
    values["zip"] = Piece(code + _written(language.zips, where, rng), "ZIP")
    values["email"] = _email(who, where, rng)
    values["profession"] = Piece(rng.choice(language.professions), "PROFESSION")
    return Patient(who, born, relative, rng.choice(where.staff), values)


class Scene:
    """Who, where and when of one text (a `grammar.Scene`)."""

    def __init__(self, where: Place, about: Patient, lexicon: Mapping[str, tuple[str, ...]], rng: Random):
        self._where, self._language, self._lexicon = where, where.language, lexicon
        self.rng, self.decimal, self.female = rng, self._language.decimal, about.who.female
        self._unused: dict[str, list[str]] = {}
        self._people = {
            "patient": about.who,
            "relative": about.relative,
            "referrer": about.referrer,
            "doctor": rng.choice(where.staff),
            "nurse": rng.choice(where.staff),
        }
        hospital, centre = (Piece(rng.choice(houses), "HOSPITAL") for houses in (where.hospitals, where.centres))
        self._values = {**about.values, "hospital": hospital, "centre": centre}
        visit = _FIRST_VISIT + timedelta(days=rng.randrange(_VISITS))
        self._days = {name: visit + timedelta(days=rng.randint(*span)) for name, span in _DAYS.items()}
        self._days["birth"] = about.born
        # An author has only a few ways of writing a date.
        self._full_dates = rng.sample(self._language.dates["full"], 2)
        self._age = (visit - about.born).days // 365

    def entry(self, name: str) -> str | None:
        """One of the lexicon's templates; none is used again before all the others have been."""
        if name not in self._lexicon:
            return None
        if not self._unused.get(name):
            self._unused[name] = self.rng.sample(self._lexicon[name], len(self._lexicon[name]))
        return self._unused[name].pop()

    def fill(self, slot: str) -> Piece:
        """The piece of a slot. Raises KeyError if there is no such slot."""
        if slot in self._values:
            return self._values[slot]
        head, _, form = slot.partition(".")
        match head:
            case "city":
                return Piece(self.rng.choice(self._language.cities)[0], "CITY")
            case "age":
                return Piece(self._written_age(form), "AGE")
            case "date":
                return Piece(self._written_date(form), "DATE")
        label = _ROLES[head]
        who = self._people.get(head) or person(self._where.names, self._language.last_names, self.rng)
        title, forms = self._language.titles[who.female], who.forms
        if form == "title":
            return Piece(title)
        if form == "titled":
            return Piece(f"{title} {forms['full']}")
        if not form or form in forms:
            return Piece(forms[form or "full"], label)
        # Drawn from the person's name, not by the text: the person has the same phone in every text.
        rng = Random(f"{who}/{form}")
        return _email(who, self._where, rng) if form == "email" else _value(form, self._where, rng)

    def _written_age(self, form: str) -> str:
        age = self.rng.randint(40, 92) if form == "other" else self._age
        return str(age) if form == "number" else self.rng.choice(self._language.ages).format(age=age)

    def _written_date(self, slot: str) -> str:
        name, _, form = slot.partition(".")
        day = self._days[name]
        forms = self._language.dates[form] if form else self._full_dates
        month, weekday = self._language.months[day.month - 1], self._language.weekdays[day.weekday()]
        return self.rng.choice(forms).format(
            d=day.day, dd=f"{day:%d}", m=day.month, mm=f"{day:%m}", y=day.year, yy=f"{day:%y}",
            month=month, mon=month[:3], weekday=weekday,
        )  # fmt: skip


@dataclass
class _Value:
    """The scene of a single value, which has only names and digits and no patient."""

    rng: Random
    decimal: str
    given: Mapping[str, str]
    female: bool = False

    def entry(self, name: str) -> None:
        return None

    def fill(self, slot: str) -> Piece:
        return Piece(self.rng.choice("ABCDEFGHJKLMNPRSTVWXYZ") if slot == "letter" else self.given[slot])


def _written(template: str, where: Place, rng: Random, **given: str) -> str:
    pieces = grammar.expand(template, _Value(rng, where.language.decimal, given))
    return "".join(piece.text for piece in pieces)


def _value(slot: str, where: Place, rng: Random, **given: str) -> Piece:
    label = "INSURANCE_ID" if slot == "insurance" else slot.upper()
    return Piece(_written(where.language.values[slot], where, rng, **given), label)


def _street_name(where: Place, rng: Random) -> str:
    """The name of a street, sometimes that of a person."""
    if rng.random() < 0.2:
        return person(where.names, 1, rng).forms["full"]
    return rng.choice(where.names.streets)


def _email(who: Person, where: Place, rng: Random) -> Piece:
    first, last = (folded(name.split()[0]) for name in (who.first, who.last))
    users = [f"{first}.{last}", f"{first[0]}{last}", f"{first}{last}{rng.randint(1, 99)}", f"{last}_{first[0]}"]
    return Piece(f"{rng.choice(users)}@{rng.choice(where.language.domains)}", "EMAIL")
