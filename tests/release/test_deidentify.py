import re
from datetime import date, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.notes import labels
from stages.notes.note_table import Note, Span
from stages.release import ages, deidentify
from stages.release.deidentify import Deidentifier
from stages.release.model import Model
from stages.runtime import params
from stages.runtime.errors import UserError

KINDS = {"PATIENT": "person", "DOCTOR": "person", "DATE": "date", "AGE": "age", "ZIP": "zip", "PHONE": "phone",
         "RECORD": "id", "EMAIL": "email", "STREET": "street", "CITY": "place", "HOSPITAL": "organisation",
         "RELATIVE": "other"}  # fmt: skip
SURROGATES = {"person": "surrogate", "date": "shift", "age": "generalise", "zip": "surrogate", "phone": "surrogate",
              "id": "surrogate", "email": "surrogate", "street": "surrogate", "place": "surrogate",
              "organisation": "surrogate", "other": "mask"}  # fmt: skip
BOTH = {"AGE": "age", "NAME": "person"}


def note(*parts: str | tuple[str, str], note_id: str = "n", group: str = "g") -> Note:
    """Text of the parts; a part (surface, label) is a span."""
    text, spans = "", []
    for part in parts:
        surface, label = (part, None) if isinstance(part, str) else part
        if label:
            spans.append(Span(len(text), len(text) + len(surface), label, 0.9))
        text += surface
    return Note(note_id, group, text, tuple(spans))


def treated(of: Note, policy=None, language="es", key=b"k") -> Note:
    return Deidentifier(KINDS, SURROGATES | (policy or {}), language, key)(of)


def surfaces(of: Note) -> list[str]:
    return [of.surface(span) for span in of.spans]


def test_what_is_kept_masked_and_generalised():
    before = note("Sr. ", ("Ana Ruiz", "PATIENT"), ", de ", ("92 años", "AGE"), ", ", ("Lugo", "CITY"), " ",
                  ("27001", "ZIP"), " el ", ("3/4/2019", "DATE"), ".")  # fmt: skip
    policy = {"person": "mask", "place": "keep", "zip": "generalise", "date": "generalise"}
    after = treated(before, policy)
    assert after.text == "Sr. [PATIENT], de 90+ años, Lugo 270** el 2019."
    assert surfaces(after) == ["[PATIENT]", "90+ años", "Lugo", "270**", "2019"]
    assert [(span.label, span.score) for span in after.spans] == [(span.label, span.score) for span in before.spans]
    assert (after.note_id, after.group_id) == ("n", "g")


@pytest.mark.parametrize(
    ("surface", "label", "action"),
    [
        ("ayer", "DATE", "shift"),
        ("31/02/2019", "DATE", "shift"),
        ("12 de marzo", "DATE", "generalise"),
        ("2019 o 2020", "DATE", "generalise"),
        ("noventa", "AGE", "generalise"),
        ("12", "ZIP", "generalise"),
        ("--", "PHONE", "surrogate"),
        ("Don", "PATIENT", "surrogate"),
    ],
)
def test_what_cannot_be_read_is_masked(surface, label, action):
    assert treated(note((surface, label)), {KINDS[label]: action}).text == f"[{label}]"


def test_a_patient_s_dates_keep_their_distances_and_others_shift_otherwise():
    def dates(group, note_id, *days):
        parts = [part for day in days for part in ((f"{day:02}/03/2019", "DATE"), " ")]
        return surfaces(treated(note(*parts, note_id=note_id, group=group)))

    first, second = dates("g", "n1", 3, 17)
    assert first != "03/03/2019"
    read = [datetime.strptime(day, "%d/%m/%Y") for day in (first, second)]
    assert read[1] - read[0] == timedelta(14)
    assert dates("g", "n2", 3) == [first]
    assert len({dates(f"g{number}", "n", 3)[0] for number in range(20)}) > 15


def test_a_person_is_the_same_person_all_over_the_note():
    names = "Ana María Ruiz de la Peña", "RUIZ", "A. Ruiz"
    patient = [part for name in names for part in ((name, "PATIENT"), "; ")]
    before = note(*patient, "Dr. ", ("Pablo Soto", "DOCTOR"))
    full, last, short, doctor = surfaces(treated(before))
    words = full.split()
    assert [words[3], words[4]] == ["de", "la"]
    assert last == words[2].upper()
    assert short == f"{words[0][0]}. {words[2]}"
    assert doctor.split()[0][0].isupper() and len(doctor.split()) == 2
    real = {"ana", "maría", "maria", "ruiz", "peña", "pena", "pablo", "soto"}
    assert not {word.casefold().strip(".") for word in (*words, *doctor.split())} & real
    # Another note, another name: nothing links the two but the key.
    other = surfaces(treated(note(("Ana María Ruiz de la Peña", "PATIENT"), note_id="m")))[0]
    assert other != full
    assert surfaces(treated(before)) == [full, last, short, doctor]


def shape(surface: str) -> str:
    return re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", re.sub(r"\d", "9", surface)))


def draws(*surfaces_and_labels, language="es", count=40, policy=None):
    """The surrogates of a note's spans by as many keys."""
    before = note(*[part for pair in surfaces_and_labels for part in (pair, "; ")])
    return [surfaces(treated(before, policy, language, f"k{number}".encode())) for number in range(count)]


@pytest.mark.parametrize(
    ("language", "name", "kept"),
    [
        # A particle stays inside a name, and is a name where it stands first or last.
        ("en", "Van Trinh", ""),
        ("es", "Anita De", ""),
        ("sv", "Von Lindgren", ""),
        ("es", "La Toya", ""),
        ("es", "Olmedo y Garrote", "y"),
        ("es", "Ana Ruiz de la Peña", "de la"),
        ("es", "RUIZ DE LA PEÑA", "DE LA"),
        ("sv", "Lars von Lindgren", "von"),
        # A title is one in its language.
        ("es", "Don Pablo Soto", "Don"),
        ("en", "Don Draper", ""),
        ("es", "D. Pablo Soto", "D."),
        ("en", "Dr. Erica Smith", "Dr."),
        ("en", "Erica's", "'s"),
        ("en", "Erica\u2019s", "\u2019s"),
    ],
)
def test_what_of_a_name_stays(language, name, kept):
    """All words but those of `kept` are others, in the same case and order, in 40 draws."""
    pattern = "".join(
        re.escape(token) if token in re.findall(r"\w+|[^\w\s]", kept) else
        r"[^\W\d_]+" if token[0].isalpha() else re.escape(token)
        for token in re.findall(r"\w+|\W", name)
    )  # fmt: skip
    own = set(re.findall(r"\w+", name)) - set(re.findall(r"\w+", kept))
    for [made] in draws((name, "PATIENT"), language=language):
        assert re.fullmatch(pattern, made), made
        assert not own & set(re.findall(r"\w+", made)), made
        assert all(word[0].isupper() for word in re.findall(r"\w+", made) if word not in kept)


def test_a_genitive_and_another_spelling_of_the_accents_are_the_same_person():
    for one, genitive in draws(("Lindqvist", "PATIENT"), ("Lindqvists", "PATIENT"), language="sv"):
        assert genitive == f"{one}s"
    for composed, combining, other in draws(
        ("José Núñez", "PATIENT"), ("Jose\u0301 Nu\u0301n\u0303ez", "PATIENT"), ("JOSÉ NÚÑEZ", "PATIENT")
    ):
        assert composed == combining
        assert other == composed.upper()
        assert re.fullmatch(r"[^\W\d_]+ [^\W\d_]+", composed)


def test_an_initial_is_that_of_the_person_of_the_same_name():
    for other, full, short in draws(("Javier Soto", "DOCTOR"), ("Juana Prieto", "PATIENT"), ("J. Prieto", "PATIENT")):
        first, last = full.split()
        assert short == f"{first[0]}. {last}"
        assert other.split()[0] != first


@pytest.mark.parametrize("language", ["es", "sv", "en"])
def test_no_word_of_a_surrogate_is_in_the_note(language):
    """In 200 notes whose text has many of the names that Faker invents."""
    from faker import Faker

    faker = Faker({"es": "es_ES", "sv": "sv_SE", "en": "en_US"}[language])
    faker.seed_instance(1)
    for number in range(200):
        known = " ".join(faker.last_name() for _ in range(40))
        labels = ("PATIENT", "DOCTOR", "HOSPITAL", "CITY", "STREET")
        spans = [(faker.last_name(), label) for label in labels]
        before = note(known, *[part for pair in spans for part in (" ", pair)])
        after = treated(before, language=language, key=bytes([number]))
        real = {word.casefold() for word in re.findall(r"[^\W\d_]{3,}", before.text)}
        made = {word.casefold() for surface in surfaces(after) for word in re.findall(r"[^\W\d_]{3,}", surface)}
        fixed = {"hospital", "sjukhus", *(label.casefold() for label in labels)}
        assert not made & real - fixed


@pytest.mark.parametrize(
    ("language", "street", "pattern"),
    [
        ("en", "412 Juniper Hollow Rd", r"[1-9]\d\d [A-Z]\w+ Rd"),
        ("es", "Calle 14 de Abril, 5", r"Calle [A-Z]\w+, [1-9]"),
        ("es", "Calle Mayor, 14 2ºB", r"Calle [A-Z]\w+, [1-9]\d [1-9]º[A-Z]"),
        ("es", "C/ Ruiz de la Peña 3, piso 2", r"C/ [A-Z]\w+ [1-9], piso [1-9]"),
        ("es", "AVENIDA DE LA PAZ Nº 120", r"AVENIDA DE LA [A-ZÑÁÉÍÓÚ]+ Nº [1-9]\d\d"),
        ("sv", "Storgatan 12, lgh 1102", r"[A-ZÅÄÖ]\w+ [1-9]\d, lgh [1-9]\d\d\d"),
        ("en", "9 East Elm Street, Apt. 4B", r"[1-9] East [A-Z]\w+ Street, Apt\. [1-9][A-Z]"),
    ],
)
def test_a_street_is_another_one_in_the_same_order(language, street, pattern):
    made = [one for [one] in draws((street, "STREET"), language=language)]
    assert all(re.fullmatch(pattern, one) for one in made), made
    assert street not in made and len(set(made)) > 30


def test_zeros_tell_nothing_unless_they_lead():
    made = draws(("1000000000", "RECORD"), ("28000", "ZIP"), ("0046 700 000 000", "PHONE"), ("007", "RECORD"))
    for record, code, phone, leading in made:
        assert re.fullmatch(r"[1-9]\d{9}", record) and re.fullmatch(r"[1-9]\d{4}", code)
        assert re.fullmatch(r"00[1-9]\d [0-9]{3} [0-9]{3} [0-9]{3}", phone) and re.fullmatch(r"00[1-9]", leading)
    assert sum(record.count("0") for record, *_ in made) < 80  # of 360 zeros, about one in ten of all digits
    assert len({code[2:] for _, code, *_ in made}) > 30


def test_a_number_among_the_words_of_a_name_is_replaced():
    for [made] in draws(("Ana Ruiz 12345678Z", "PATIENT")):
        assert (
            re.fullmatch(r"[A-Z]\w+ [A-Z]\w+ [1-9]\d{7}[A-Z]", made) and "12345678" not in made and "Ana" not in made
        )


@pytest.mark.parametrize(
    ("age", "made"),
    [
        ("97 años", "90+ años"),
        ("89 años", "89 años"),
        ("104-year-old", "90+-year-old"),
        ("100 días", "100 días"),
        ("96 horas", "96 horas"),
        ("1.200 días", "1.200 días"),
        ("33.000 días", "[AGE]"),
        ("1100 meses", "[AGE]"),
        ("34 años, Ana Ruiz", "[AGE]"),
        ("noventa y dos (92) años", "[AGE]"),
        ("noventa y 3 años", "[AGE]"),
        ("noventa", "[AGE]"),
        ("\N{SUPERSCRIPT TWO}", "[AGE]"),
        ("92\N{SUPERSCRIPT TWO}", "[AGE]"),
        ("1,5 år", "1,5 år"),
        ("12", "12"),
    ],
)
def test_ages_above_89_are_grouped_and_what_is_not_understood_is_masked(age, made):
    assert treated(note((age, "AGE"))).text == made


@pytest.mark.parametrize("action", ["generalise", "shift"])
@pytest.mark.parametrize("day", ["12/03/1921", "3/4/1921", "marzo de 1930", "año 1929", "12-3-31"])
def test_a_year_that_gives_away_an_age_over_89_is_masked(monkeypatch, day, action):
    monkeypatch.setattr(ages, "date", SimpleNamespace(today=lambda: date(2026, 1, 1)))
    for text in (("97 años", "AGE"), ("95", "AGE")):
        made = treated(note(text, ", nacido el ", (day, "DATE"), "."), {"date": action}).text
        assert made.endswith(", nacido el [DATE].")
    younger = treated(note((day[:-2] + "88", "DATE")), {"date": action}).text
    assert "[" not in younger
    # Where ages are kept, years are too.
    kept = treated(note((day, "DATE")), {"date": action, "age": "keep"}).text
    assert "[" not in kept


def test_a_site_s_key_is_drawn_once_and_its_owner_s_alone(tmp_path):
    path = tmp_path / "key"
    key = deidentify.site_key(path)
    assert len(key) == 32 and path.stat().st_mode & 0o777 == 0o600
    assert deidentify.site_key(path) == key != deidentify.site_key(tmp_path / "other")
    path.chmod(0o640)
    with pytest.raises(UserError, match="others can read this key; chmod 600 it"):
        deidentify.site_key(path)
    (tmp_path / "short").write_bytes(b"k")
    (tmp_path / "short").chmod(0o600)
    with pytest.raises(UserError, match="no key of 32 bytes"):
        deidentify.site_key(tmp_path / "short")


def test_surrogates_keep_the_format_and_not_the_content():
    parts = {
        "PHONE": "+34 612 30 45 78", "RECORD": "HC-204/Ab9", "ZIP": "28013", "EMAIL": "ana.ruiz7@sergas.es",
        "STREET": "Calle Mayor, 14 2ºB", "CITY": "Lugo", "HOSPITAL": "Hospital Ruiz",
    }  # fmt: skip
    after = treated(note(*[piece for label, surface in parts.items() for piece in ((surface, label), "; ")]))
    made = dict(zip(parts, surfaces(after), strict=True))
    for label in ("PHONE", "RECORD", "ZIP"):
        assert shape(made[label]) == shape(parts[label])
        assert made[label] != parts[label]
    assert re.fullmatch(r"[a-z]{3}\.[a-z]{4}\d@example\.org", made["EMAIL"])
    assert re.search(r", \d\d \dº[A-Z]$", made["STREET"]) and "Mayor" not in made["STREET"]
    assert made["CITY"] != "Lugo" and "Ruiz" not in made["HOSPITAL"]


def test_without_a_key_every_deidentifier_draws_its_own():
    before = note(("Ana Ruiz", "PATIENT"), " ", ("3/4/2019", "DATE"))
    made = {Deidentifier(KINDS, SURROGATES, "es")(before).text for _ in range(8)}
    assert len(made) > 6


@given(st.data())
def test_any_text_survives_around_the_spans(data):
    words = data.draw(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=9))
    labels = data.draw(st.lists(st.sampled_from([None, *KINDS]), min_size=len(words), max_size=len(words)))
    before = note(*[(word, label) if label else word for word, label in zip(words, labels, strict=True)])
    for policy in (SURROGATES, dict.fromkeys(SURROGATES, "mask")):
        after = Deidentifier(KINDS, policy, "es", b"k")(before)
        assert len(after.spans) == len(before.spans)

        def rest(of):
            edges = [0, *[edge for span in of.spans for edge in (span.start, span.end)], len(of.text)]
            return [of.text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]

        assert rest(after) == rest(before)


@pytest.mark.parametrize(
    ("kinds", "policy", "message"),
    [
        ({"AGE": "age"}, {"age": "keep"}, "NAME has no kind"),
        (BOTH, {"age": "keep"}, r"p has no action for person, the kind of NAME; use keep or mask"),
        (BOTH, {"age": "shift", "person": "mask"}, r"p\.age: shift is defined for date only; use keep or mask"),
        (BOTH, {"age": "surrogate", "person": "mask"}, r"p\.age: surrogate is defined for country, email"),
    ],
)
def test_a_policy_that_leaves_something_open_is_refused(kinds, policy, message):
    with pytest.raises(UserError, match=message):
        deidentify.check(kinds, policy, ["AGE", "NAME"], "p")


def test_the_shipped_policies_fit_the_demo():
    content = params.read()
    kinds = params.parse(labels.Labels, "catalog.demo-es.labels", content).root
    for name, policy in params.parse(Model, "release.model", content).policies.items():
        deidentify.check(kinds, policy, kinds, name)
        assert set(policy) == set(labels.KINDS)
