"""What an invented corpus needs to know of a language: words, formats and templates, as plain data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from random import Random


@dataclass(frozen=True)
class Language:
    """Templates are in the notation of grammar.py; `formats` of dates are for `str.format`."""

    # Of Faker: first and last names come from there.
    locale: str
    # Names that are also words or towns, added to Faker's.
    male: tuple[str, ...]
    female: tuple[str, ...]
    last: tuple[str, ...]
    # Last names a person has, and the titles of a (male, female) doctor, which are not part of a name.
    last_names: int
    titles: tuple[str, str]
    # Word for a relative, and whether it is a woman.
    kin: tuple[tuple[str, bool], ...]
    # Names of streets and hospitals; one part of the corpus gets one share of them.
    street_names: tuple[str, ...]
    hospital_names: tuple[str, ...]
    # With the slot {name}: a hospital, and a place that refers to it.
    hospitals: tuple[str, ...]
    centres: tuple[str, ...]
    # Town and the first digits of its postal code; a template of the rest.
    cities: tuple[tuple[str, str], ...]
    zips: str
    professions: tuple[str, ...]
    decimal: str
    months: tuple[str, ...]
    weekdays: tuple[str, ...]
    # Ways to write a date: `full`, `day` (no year), `month`, `year`.
    dates: Mapping[str, tuple[str, ...]]
    ages: tuple[str, ...]
    # The number every resident has. Its check digit must be wrong, so that it is nobody's.
    resident_id: Callable[[Random, date], str]
    # Templates by slot: street (with {name}), id (with {resident}), record, insurance, licence, phone.
    values: Mapping[str, str]
    domains: tuple[str, ...]
    # Shorthand that some authors use, by word.
    abbreviations: Mapping[str, str]
    # By prompt of pretraining.rephrase.prompts, how a text is rewritten: (regular expression, replacement), in order.
    rewrites: Mapping[str, tuple[tuple[str, str], ...]]
    # Templates of the notes: lexicon, and by note type.
    lexicon: Mapping[str, tuple[str, ...]]
    notes: Mapping[str, str]
    # Templates of the public text: other documents with other sentences, and cases from textbooks, which share the
    # notes' clinical sentences and none of their forms.
    public_lexicon: Mapping[str, tuple[str, ...]]
    public_documents: Mapping[str, str]
    public_cases: Mapping[str, str]


# Entries of the notes' lexicon that any clinical text shares: sentences, no form, header or signature.
CLINICAL = (
    "code",
    "decoy",
    "word",
    "ago",
    "vitals",
    "present",
    "past",
    "social",
    "exam",
    "tests",
    "course",
    "kin.role",
    "plan",
    "diagnoses",
)


def listed(text: str) -> tuple[str, ...]:
    """The entries of a list written with `; ` between them, over any number of lines."""
    return tuple(entry.strip() for entry in " ".join(text.split()).split(";"))
