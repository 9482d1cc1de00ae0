import re
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.notes import labels
from stages.notes.note_table import Note, Span
from stages.release import deidentify
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


def test_surrogates_keep_the_format_and_not_the_content():
    parts = {
        "PHONE": "+34 612 30 45 78", "RECORD": "HC-204/Ab9", "ZIP": "28013", "EMAIL": "ana.ruiz7@sergas.es",
        "STREET": "Calle Mayor, 14 2ºB", "CITY": "Lugo", "HOSPITAL": "Hospital Ruiz",
    }  # fmt: skip
    after = treated(note(*[piece for label, surface in parts.items() for piece in ((surface, label), "; ")]))
    made = dict(zip(parts, surfaces(after), strict=True))
    for label in ("PHONE", "RECORD", "ZIP"):
        shape = re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", re.sub(r"[1-9]", "9", parts[label])))
        assert re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", re.sub(r"[1-9]", "9", made[label]))) == shape
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
