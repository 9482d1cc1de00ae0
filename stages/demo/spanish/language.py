"""Spanish as a language of the demo."""

from stages.demo.language import Language
from stages.demo.spanish import note_templates, public_templates, rewriting, words

SPANISH = Language(
    locale="es_ES",
    male=words.MALE,
    female=words.FEMALE,
    last=words.LAST,
    last_names=2,
    titles=("Dr.", "Dra."),
    kin=words.KIN,
    street_names=words.STREET_NAMES,
    hospital_names=words.HOSPITAL_NAMES,
    hospitals=words.HOSPITALS,
    centres=words.CENTRES,
    cities=words.CITIES,
    zips="{digits 3}",
    professions=words.PROFESSIONS,
    decimal=",",
    months=words.MONTHS,
    weekdays=words.WEEKDAYS,
    dates=words.DATES,
    ages=words.AGES,
    resident_id=words.resident_id,
    values=words.VALUES,
    domains=words.DOMAINS,
    abbreviations=words.ABBREVIATIONS,
    rewrites=rewriting.REWRITES,
    lexicon=note_templates.LEXICON,
    notes=note_templates.NOTES,
    public_lexicon=public_templates.LEXICON,
    public_documents=public_templates.DOCUMENTS,
    public_cases=public_templates.CASES,
)
