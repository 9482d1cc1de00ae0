import json
from collections import Counter
from pathlib import Path

import pytest

from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.pretraining import answers as measuring
from stages.pretraining.answers import Check
from stages.pretraining.check import check
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.params import parse, read
from tests.runs import run, write_params

SETTINGS = {
    "stop": True,
    "accepted": 0.1,
    "length": [0.5, 2.0],
    "copied": 0.8,
    "numbers": 0.5,
    "measures": 0.5,
    "language": 0.9,
    "refusals": [r"(lo siento|no puedo|i cannot)"],
    "preambles": [r"(aquí (está|tienes)|claro)"],
    "without_identifiers": ["deidentified"],
    "fidelity": {"content": 0.6, "numbers": 0.9, "copied": 0.5},
}
SOURCE = "Paciente de 62 años, diabetes, que acude el 12/03/2019 por dolor torácico. Se pauta enalapril 20 mg al día."
GOOD = "El 12/03/2019 una persona diabética, paciente de 62 años, acude con dolor torácico y recibe enalapril 20 mg."
# (answer, ended, reason): one of each, and two that pass.
CASES = [
    (GOOD, True, None),
    (GOOD, False, "unfinished"),
    ("", True, "empty"),
    ("Lo siento, no puedo ayudar con esa petición sobre un paciente de 62 años el 12/03/2019.", True, "refused"),
    (f"Claro: {GOOD}", True, "preamble"),
    (
        "On 12/03/2019 a patient aged 62 came to the hospital because of chest pain and was given enalapril 20 mg.",
        True,
        "wrong_language",
    ),
    ("Acude el 12/03/2019 con dolor.", True, "too_short"),
    (f"{GOOD} " + "La evolución posterior del cuadro fue buena y estuvo libre de síntomas. " * 4, True, "too_long"),
    (SOURCE, True, "copied"),
    (
        "Una persona adulta con diabetes acude a la consulta por dolor en el tórax y recibe una dosis de enalapril.",
        True,
        "numbers_missing",
    ),
    (GOOD.replace("20 mg", "20 ml"), True, "measures_missing"),
    ("El paciente de 62 años acude el 12/03/2019. " * 3, True, "repetitive"),
    ("", False, "refused"),
    ("", False, "beyond_context"),
]
# What an engine says beside the text, by the case.
FAULTS = {len(CASES) - 2: "refused", len(CASES) - 1: "beyond_context"}

REASONS = {reason for _, _, reason in CASES if reason} | {"identifiers_left"}


@pytest.fixture
def project(workdir: Path) -> Path:
    made = [Note(f"p{i}", f"g{i}", SOURCE) for i in range(len(CASES))]
    answers = [
        Note(piece.note_id, piece.group_id, text, provenance={"ended": ended, "fault": FAULTS.get(number, "")})
        for number, (piece, (text, ended, _)) in enumerate(zip(made, CASES, strict=True))
    ]
    write(made, answers)
    return workdir


def write(pieces: list[Note], answers: list[Note]) -> None:
    for folder, of in (("pieces", pieces), ("answers", answers)):
        note_table.write(folder, of)
        lineage.write(folder, [Read("demo/0/train", "rewritten-real", "content")])


def judge(prompt="plain", **changes) -> dict:
    labels = {"NAME": "person", "DATE": "date", "RECORD": "id", "AGE": "age"}
    catalog = {"c": {"language": changes.pop("spoken", "es"), "labels": labels}}
    write_params({"pretraining": {"check": SETTINGS | changes}, "catalog": catalog})
    cell = {"source": "real", "rephraser": "r", "prompt": prompt, "corpus": "c", "fold": 0}
    paths = {"pieces": "pieces", "answers": "answers", "out": "out", "report": "report.json", "passed": "passed"}
    run(check, **cell, **paths)
    return json.loads(Path("report.json").read_text())


def test_every_fault_is_found_and_counted(project):
    report = judge(accepted=0.05)
    kept = {note.note_id for note in note_table.read("out")}
    assert kept == {f"p{i}" for i, (_, _, reason) in enumerate(CASES) if reason is None}
    expected = Counter(reason for _, _, reason in CASES if reason)
    assert report["reasons"] == {name: expected[name] for name in REASONS}
    assert report["pieces"] == len(CASES)
    assert Path("passed").read_text() == "passed\n"
    assert lineage.read("out") == {Read("demo/0/train", "rewritten-real", "content")}
    kept = json.loads(Path("out/summary.json").read_text())
    assert kept == {name: report[name] for name in ("pieces", "reasons", "fidelity", "faithful")}
    assert SOURCE[:20] not in Path("report.json").read_text()


def test_identifiers_may_stay_unless_the_prompt_asks_them_away(workdir):
    pieces = [Note(f"p{i}", "g", f"{SOURCE} Historia 4471209, tel. 600 123 456, ana@correo.es.") for i in range(2)]
    texts = [f"{GOOD} Historia 4471209.", f"{GOOD} Sin más datos."]
    answers = [Note(f"p{i}", "g", text, provenance={"ended": True}) for i, text in enumerate(texts)]
    write(pieces, answers)
    changes = {"numbers": 0.2, "measures": 0.0}
    assert judge(**changes)["reasons"] == dict.fromkeys(REASONS, 0)
    reasons = judge(prompt="deidentified", **changes)["reasons"]
    assert reasons == dict.fromkeys(REASONS, 0) | {"identifiers_left": 1}
    assert [note.note_id for note in note_table.read("out")] == ["p1"]


PERSON = (
    "Arthur Pellworth, born 04/05/1950, aged 69, came with chest pain. He takes 20 mg of enalapril (file 4471-A)."
)
SPANS = tuple(
    Span(PERSON.index(surface), PERSON.index(surface) + len(surface), label)
    for surface, label in [("Arthur Pellworth", "NAME"), ("04/05/1950", "DATE"), ("69", "AGE"), ("4471-A", "RECORD")]
)


@pytest.mark.parametrize(
    ("person", "dose", "file", "reason"),
    [
        ("Mark Twist, born 11/02/1962, aged 69,", " 20 mg", "9902-B", None),
        ("Mark Twist, born in 1962,", " 20 mg", "file 9902-B", None),
        ("Arthur Pellworth, born 04/05/1950,", " 20 mg", "9902-B", "identifiers_left"),
        ("MR. PELLWORTH, born 11/02/1962,", " 20 mg", "9902-B", "identifiers_left"),
        ("Mark Twist, born 04/05/1950,", " 20 mg", "9902-B", "identifiers_left"),
        ("Mark Twist, born 11/02/1962,", " 20 mg", "4471-A", "identifiers_left"),
        ("Mark Twist, born 11/02/1962,", "", "9902-B", "numbers_missing"),
    ],
)
def test_the_tags_say_what_must_be_gone_and_which_numbers_need_not_stay(workdir, person, dose, file, reason):
    answer = f"{person} presented with pain in the chest, and he is on{dose} enalapril ({file})."
    write([Note("p", "g", PERSON, SPANS)], [Note("p", "g", answer, provenance={"ended": True})])
    changes = {"spoken": "en", "numbers": 0.9, "accepted": 0.0}
    expected = dict.fromkeys(REASONS, 0) | ({reason: 1} if reason else {})
    assert judge(prompt="deidentified", **changes)["reasons"] == expected
    if reason is None:
        # Another prompt asks for the numbers to stay.
        assert judge(**changes)["reasons"]["numbers_missing"] == 1


@pytest.mark.parametrize(
    ("piece", "answer", "kept"),
    [
        ("125 µg", "125 μg", True),  # micro sign, Greek letter
        ("125 µg", "125 mcg", True),
        ("125 mcg", "125 mg", False),
        ("38,5 ºC", "38.5 °C", True),  # ordinal mark, degree sign
        ("38,5 ºC", "38,5 g", False),
    ],
)
def test_units_are_the_same_however_they_are_written(piece, answer, kept):
    answer = Note("p", "g", f"Toma {answer}.", provenance={"ended": True})
    facts = measuring.measured(Note("p", "g", f"Toma {piece}."), answer, Check(**SETTINGS), lambda *_: False)
    assert facts["measures"] == float(kept)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("I\u2019m sorry, but I cannot help with that.", "refused"),
        ("I can\u2019t assist with this request.", "refused"),
        ("I cannot sleep, the patient says, since the operation.", None),
        ("No puedo ayudar con eso.", "refused"),
        ("No puedo dormir, refiere la paciente desde la intervención.", None),
        ("Sure, here is the text: The patient came.", "preamble"),
        ("Sure! The patient came.", "preamble"),
        ("Sure signs of pregnancy were found.", None),
        ("Here\u2019s the rewritten paragraph:\n\nThe patient came.", "preamble"),
        ("Here is a patient who came with pain in the chest and was treated. After that he left", None),
        ("A continuación, el texto reescrito: La paciente acude.", "preamble"),
        ("A continuación se realiza una ecografía.", None),
    ],
)
def test_the_project_s_patterns_and_their_counterexamples(answer, fault):
    settings = parse(Check, "pretraining.check", read())
    note = Note("p", "g", answer, provenance={"ended": True})
    facts = measuring.measured(Note("p", "g", "x"), note, settings, lambda *_: False)
    assert [name for name in ("refused", "preamble") if facts[name]] == ([fault] if fault else [])


def test_a_sentence_that_goes_round_is_repetitive_unless_its_piece_is():
    settings = Check(**SETTINGS)
    sentence = "La paciente acude con dolor en el pecho desde ayer. "
    answer = Note("p", "g", sentence * 4, provenance={"ended": True})

    def repeated(piece: str) -> float:
        return measuring.measured(Note("p", "g", piece), answer, settings, lambda *_: False)["repeated"]

    assert repeated(sentence) == 1 - 11 / 41
    assert repeated(sentence * 4) == 0


def test_too_few_good_answers_stop_the_branch(project):
    with pytest.raises(UserError, match="answers are good enough to learn from"):
        judge(accepted=0.5)
    assert not Path("passed").exists()
    assert judge(accepted=0.5, stop=False)["passed"] is False


@pytest.mark.parametrize(
    ("answer", "content", "numbers", "copied", "faithful"),
    [
        # Five of seven words that carry content; "paciente de 62 años ," and ". el 12/03/2019" apart, two of 14 runs.
        (GOOD, 5 / 7, 1.0, 2 / 14, True),
        (SOURCE, 1.0, 1.0, 1.0, False),
        ("Una persona con diabetes y dolor.", 2 / 7, 0.0, 0.0, False),
    ],
)
def test_fidelity_is_measured_on_all_answers(workdir, answer, content, numbers, copied, faithful):
    write([Note("p", "g", SOURCE)], [Note("p", "g", answer, provenance={"ended": True})])
    report = judge(stop=False)
    assert report["fidelity"] == pytest.approx({"content": content, "numbers": numbers, "copied": copied}, abs=1e-6)
    assert report["faithful"] is faithful


def test_a_piece_without_numbers_cannot_lose_any():
    assert (
        measuring.measured(
            Note("p", "g", "Sin cambios."),
            Note("p", "g", "Igual.", provenance={"ended": True}),
            measuring.Check(**SETTINGS),
            lambda source, text: False,
        )["numbers"]
        is None
    )
