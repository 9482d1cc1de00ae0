import pytest

from stages.release.conditions import problems


def found(source: str, output: str) -> list[str]:
    return problems("c", {"corpus": source}, {"model": output}, {"corpus": "who made it"})


@pytest.mark.parametrize(
    ("source", "output", "lacking"),
    [
        ("CC-BY-NC-4.0", "CC-BY-4.0", "no commercial use"),
        ("CC-BY-NC-4.0", "MIT", "no commercial use"),
        ("CC-BY-SA-4.0", "CC-BY-4.0", "the same licence"),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-4.0", "the same licence"),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", "no derivatives"),
        ("LicenseRef-n2c2-agreement", "CC-BY-4.0", "the same licence"),
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
        ("LicenseRef-n2c2-agreement", "LicenseRef-n2c2-agreement"),
    ],
)
def test_an_output_that_keeps_the_terms_is_not(source, output):
    assert found(source, output) == []


NO_LICENCES = [
    "",
    " ",
    "?",
    "unknown",
    "TODO",
    "n/a",
    "our agreement",
    "mit",
    "LicenseRef-unknown",
    "LicenseRef-TODO",
]


@pytest.mark.parametrize("none", NO_LICENCES)
def test_what_names_no_licence_is_refused_on_either_side(none):
    form = "give an SPDX identifier such as CC-BY-4.0, or LicenseRef- and the name of a contract"
    assert problems("c", {"corpus": "CC0-1.0", "encoder": none}, {"model": "CC0-1.0", "corpus": none}, {}) == [
        f"catalog.c.licences.encoder is no licence; {form}",
        f"release.package.licences.corpus is no licence; {form}",
    ]


@pytest.mark.parametrize("licence", ["MIT", "Apache-2.0", "CC-BY-4.0", "CC-BY-SA-4.0"])
def test_a_licence_that_asks_for_it_needs_an_attribution(licence):
    missing = [
        f"catalog.c.licences.attribution.corpus is missing: {licence} asks that the makers of the corpus be named"
    ]
    assert problems("c", {"corpus": licence}, {"model": licence}, {}) == missing
    assert problems("c", {"corpus": licence}, {"model": licence}, {"corpus": " "}) == missing
    assert problems("c", {"corpus": licence}, {"model": licence}, {"corpus": "MEDDOCAN, Marimon et al. 2019"}) == []


@pytest.mark.parametrize("licence", ["CC0-1.0", "LicenseRef-n2c2-agreement"])
def test_what_asks_for_nothing_and_contracts_need_none(licence):
    assert problems("c", {"corpus": licence}, {"model": licence}, {}) == []
