import pytest
import yaml

from scripts import sections
from stages.shared.errors import UserError
from tests import graph


@pytest.fixture
def project(tmp_path):
    return graph.clone(tmp_path)


def test_all_mistakes_are_told_at_once_and_each_once(project):
    file = project / "params.yaml"
    settings = yaml.safe_load(file.read_text())
    settings["ner"]["train"]["bach"] = 3
    settings["synthesis"]["mix"]["ratio"] = "much"
    file.write_text(yaml.safe_dump(settings))
    with pytest.raises(UserError) as error:
        sections.check(project)
    first, second = sorted(str(error.value).splitlines())
    assert first == "params.yaml: ner.train.bach is not a known key; did you mean batch?"
    assert second.startswith("params.yaml: synthesis.mix.ratio: ")


def test_the_working_directory_and_project_stay_as_they_were(project, monkeypatch):
    monkeypatch.chdir(project)
    before = sorted(project.rglob("*"))
    sections.check(project)
    new = {path for path in project.rglob("*") if path not in before}
    assert {path for path in new if not {".dvc", ".site-cache"} & set(path.parts)} == set()
