"""English as a language of the demo."""

from stages.demo.english import note_templates, public_templates, rewriting, words
from stages.demo.language import Language

ENGLISH = Language(
    locale="en_US",
    male=words.MALE,
    female=words.FEMALE,
    last=words.LAST,
    last_names=1,
    titles=("Dr.", "Dr."),
    kin=words.KIN,
    street_names=words.STREET_NAMES,
    hospital_names=words.HOSPITAL_NAMES,
    hospitals=words.HOSPITALS,
    centres=words.CENTRES,
    cities=words.CITIES,
    zips="{100-999}",
    professions=words.PROFESSIONS,
    decimal=".",
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
