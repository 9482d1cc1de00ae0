"""What the invented corpora need to know of a language: words, formats and templates, as plain data.

To add a language, say French:

1. Copy the package stages/demo/swedish to stages/demo/french and replace its content: `words` (names, places,
   formats, vocabulary), `note_templates`, `public_templates` and `rewriting`. grammar.py explains the notation of
   templates, scene.py the slots that they may use. Invent names, streets and hospitals, and give every identity
   number a wrong check digit, so that nobody real is described.
2. Add `"fr": FRENCH` to `LANGUAGES` in stages/demo/notes.py, and `catalog.demo-fr` to params.yaml, like demo-es.
3. Add demo-fr to the tests in tests/demo and run them: they check that spans are exact, that each label occurs often
   enough, that no name is in two parts, and that a dictionary of the training names cannot tag the test notes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from random import Random


@dataclass(frozen=True)
class Language:
    """A language of the demo. Templates are in the notation of grammar.py."""

    locale: str
    """Faker's name of the locale, from which first and last names are drawn."""
    male: tuple[str, ...]
    female: tuple[str, ...]
    last: tuple[str, ...]
    """Names that are also words or towns, in addition to Faker's."""
    last_names: int
    """Last names that a person has."""
    titles: tuple[str, str]
    """Titles of a (male, female) doctor, which are not part of the name."""
    kin: tuple[tuple[str, bool], ...]
    """Words for a relative, and whether it is a woman."""
    street_names: tuple[str, ...]
    hospital_names: tuple[str, ...]
    """Names of streets and hospitals, of which each part of a corpus gets a share."""
    hospitals: tuple[str, ...]
    centres: tuple[str, ...]
    """Templates of a hospital's name and of a referring centre's, with the slot {name}."""
    cities: tuple[tuple[str, str], ...]
    """Towns, and the first digits of their postal codes."""
    zips: str
    """Template of the rest of a postal code."""
    professions: tuple[str, ...]
    decimal: str
    """Decimal separator."""
    months: tuple[str, ...]
    weekdays: tuple[str, ...]
    dates: Mapping[str, tuple[str, ...]]
    """Ways to write a date, as formats for `str.format`: `full`, `day` (no year), `month` and `year`."""
    ages: tuple[str, ...]
    """Ways to write an age, with the slot {age}."""
    resident_id: Callable[[Random, date], str]
    """The identity number of a resident. Its check digit must be wrong, so that it is nobody's."""
    values: Mapping[str, str]
    """Templates by slot: street (with {name}), id (with {resident}), record, insurance, licence, phone."""
    domains: tuple[str, ...]
    """Domains of email addresses."""
    abbreviations: Mapping[str, str]
    """Word -> the abbreviation that some authors use for it."""
    rewrites: Mapping[str, tuple[tuple[str, str], ...]]
    """How texts are rewritten, by prompt of `pretraining.rephrase.prompts`: (pattern, replacement), in order."""
    lexicon: Mapping[str, tuple[str, ...]]
    """Templates of the notes by name, which other templates refer to."""
    notes: Mapping[str, str]
    """Templates of the notes, by note type."""
    public_lexicon: Mapping[str, tuple[str, ...]]
    """Templates of the public text by name."""
    public_documents: Mapping[str, str]
    """Templates of public documents, which share no sentence with the notes."""
    public_cases: Mapping[str, str]
    """Templates of textbook cases, which share the notes' clinical sentences, but not their layout."""


# Entries of the notes' lexicon that all clinical text shares: sentences, but no headers, forms or signatures.
CLINICAL = "code decoy word ago vitals present past social exam tests course kin.role plan diagnoses".split()


def listed(text: str) -> tuple[str, ...]:
    """The entries of a list written with `; ` between them, on any number of lines."""
    return tuple(entry.strip() for entry in " ".join(text.split()).split(";"))
