import pytest
import yaml

from scripts import check_params
from stages.runtime.errors import UserError
from tests import graph


@pytest.fixture
def project(tmp_path):
    return graph.clone(tmp_path)


def mistakes(project):
    with pytest.raises(UserError) as error:
        check_params.check(project)
    return sorted(str(error.value).splitlines())


def test_all_mistakes_are_told_at_once_and_each_once(project):
    file = project / "params.yaml"
    settings = yaml.safe_load(file.read_text())
    settings["ner"]["train"]["bach"] = 3
    settings["synthesis"]["mix"]["ratio"] = "much"
    settings["grid"]["sources"] = ["real", "imaginary"]
    file.write_text(yaml.safe_dump(settings))
    grid, key, ratio = mistakes(project)
    assert grid == "params.yaml: grid.sources.1: Input should be 'real' or 'unseen'"
    assert key == "params.yaml: ner.train.bach is not a known key; did you mean batch?"
    assert ratio.startswith("params.yaml: synthesis.mix.ratio: ")


def test_a_command_that_its_stage_refuses_is_a_mistake(project):
    file = project / "dvc.yaml"
    file.write_text(file.read_text().replace("--gold data/", "--golden data/"))
    assert mistakes(project) == ["dvc.yaml: synthesis_check: the following arguments are required: --gold"]
