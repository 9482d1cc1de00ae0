import pytest

from stages.release.conditions import problems


def found(source: str, output: str) -> list[str]:
    return problems("c", {"corpus": source}, {"model": output})


@pytest.mark.parametrize(
    ("source", "output", "lacking"),
    [
        ("CC-BY-NC-4.0", "CC-BY-4.0", "no commercial use"),
        ("CC-BY-NC-4.0", "MIT", "no commercial use"),
        ("CC-BY-SA-4.0", "CC-BY-4.0", "the same licence"),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-4.0", "the same licence"),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", "no derivatives"),
        ("n2c2 data use agreement", "CC-BY-4.0", "the same licence"),
    ],
)
def test_an_output_that_drops_a_term_is_refused(source, output, lacking):
    assert found(source, output) == [f"{output} for the model drops what {source} of the corpus demands: {lacking}"]


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("MIT", "CC-BY-NC-4.0"),
        ("CC-BY-4.0", "MIT"),
        ("CC-BY-NC-4.0", "CC-BY-NC-SA-4.0"),
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0"),
        ("n2c2 data use agreement", "n2c2 data use agreement"),
    ],
)
def test_an_output_that_keeps_the_terms_is_not(source, output):
    assert found(source, output) == []


def test_blank_terms_are_refused_on_either_side():
    both = problems("c", {"corpus": "MIT", "encoder": " "}, {"model": "MIT", "corpus": ""})
    assert both == [
        "catalog.c.licences.encoder is blank: name the licence",
        "release.package.licences.corpus is blank: name the licence",
    ]
