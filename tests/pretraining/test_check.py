import json
from collections import Counter
from pathlib import Path

import pytest

from stages.notes import note_table
from stages.notes.note_table import Note
from stages.pretraining import answers as measuring
from stages.pretraining.check import check
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
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
]

REASONS = [reason for _, _, reason in CASES if reason] + ["identifiers_left"]


@pytest.fixture
def project(workdir: Path) -> Path:
    made = [Note(f"p{i}", f"g{i}", SOURCE) for i in range(len(CASES))]
    answers = [
        Note(piece.note_id, piece.group_id, text, provenance={"ended": ended, "model": "m"})
        for piece, (text, ended, _) in zip(made, CASES, strict=True)
    ]
    write(made, answers)
    return workdir


def write(pieces: list[Note], answers: list[Note]) -> None:
    for folder, of in (("pieces", pieces), ("answers", answers)):
        note_table.write(folder, of)
        lineage.write(folder, [Read("demo/0/train", "rewritten-real", "content")])


def judge(prompt="plain", **changes) -> dict:
    write_params({"pretraining": {"check": SETTINGS | changes}, "catalog": {"c": {"language": "es"}}})
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
            "Sin cambios.",
            Note("p", "g", "Igual.", provenance={"ended": True}),
            measuring.Check(**SETTINGS),
            lambda source, text: False,
        )["numbers"]
        is None
    )
