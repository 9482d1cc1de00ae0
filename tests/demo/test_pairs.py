import json
from pathlib import Path

import pytest

from stages.demo import identities, pairs
from stages.demo.notes import LANGUAGES
from stages.models import instruct
from stages.runtime import lineage
from stages.runtime.lineage import Read
from stages.runtime.params import read
from tests.graph import ROOT
from tests.runs import run, write_params


@pytest.fixture(params=sorted(LANGUAGES))
def written(request, workdir) -> list[dict[str, str]]:
    """The stage's pairs of one language."""
    sizes = {"train": 1, "test": 1, "text_words": 1, "seed": 7}
    write_params({"demo": {"notes": sizes, "pairs": {"pairs": 200}}})
    run(pairs.pairs, corpus=f"demo-{request.param}", out="out")
    assert lineage.read("out") == {Read(f"demo-{request.param}/pairs", "invented", "content")}
    return [json.loads(line) for line in Path("out/pairs.jsonl").read_text().splitlines()]


def test_the_prompts_are_those_of_params_yaml(written):
    prompts = read(ROOT / "params.yaml")["pretraining"]["rephrase"]["prompts"]
    assert {pair["prompt"] for pair in written} == set(prompts)
    assert len(list(instruct.read(Path("out"), prompts))) == 200


def test_answers_follow_the_rules_and_differ_by_prompt(written):
    assert all("\n" not in pair["answer"] for pair in written)
    assert sum(" ".join(pair["text"].split()) != " ".join(pair["answer"].split()) for pair in written) > 60


def test_numbers_stay(written):
    for pair in written:
        digits = [sign for sign in pair["text"] if sign.isdigit()]
        assert [sign for sign in pair["answer"] if sign.isdigit()] == digits


@pytest.mark.parametrize(
    ("prompt", "text", "answer"),
    [
        ("encyclopedia", "Acude por tos.\nPte. afebril.", "Llegó al médico por tos. Pte. sin fiebre."),
        ("encyclopedia", "Antecedentes personales: asma.", "Entre las enfermedades anteriores están asma."),
        ("professional", "La pte. refiere tos y cefalea.", "La paciente manifiesta clínica tusígena y cefalea."),
        ("professional", "Ana Tos vive aquí.", "Ana Tos vive aquí."),
    ],
)
def test_spanish_rewritings(prompt, text, answer):
    assert pairs.rewritten(text, prompt, LANGUAGES["es"]) == answer


def test_names_are_of_the_public_part():
    names = identities.lists(LANGUAGES["es"], 1)
    text = " ".join(pair["text"] for pair in pairs.invented_pairs(LANGUAGES["es"], names["public"], 100, "s"))

    def found(*parts: str) -> int:
        return sum(f" {name} " in text for part in parts for name in names[part].last if len(name) > 6)

    # A few names are also towns or streets.
    assert found("train", "test") < 5
    assert found("public") > 30
