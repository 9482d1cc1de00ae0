import pytest

from stages.shared.imports import EXCEPTIONS, closure
from tests.graph import ROOT


@pytest.fixture
def project(tmp_path):
    files = {
        "stages/__init__.py": "",
        "stages/ner/__init__.py": "",
        "stages/ner/train.py": "import json\nfrom stages.ner import model\ndef f():\n    import stages.shared.late\n",
        "stages/ner/model.py": "from stages.shared.tags import words as w\nfrom stages.shared.errors import run\n",
        "stages/shared/tags.py": "from stages.ner import train\n",
        "stages/shared/errors.py": "from stages.shared import hidden\n",
        "stages/shared/late.py": "import torch\n",
        "stages/shared/hidden.py": "",
        "stages/shared/unused.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_closure_follows_functions_and_cycles(project):
    assert closure(project / "stages/ner/train.py", project) == [
        "stages/ner/model.py",
        "stages/ner/train.py",
        "stages/shared/hidden.py",
        "stages/shared/late.py",
        "stages/shared/tags.py",
    ]


def test_an_exception_counts_for_itself(project):
    path = "stages/shared/errors.py"
    assert path in EXCEPTIONS
    assert closure(project / path, project) == [path, "stages/shared/hidden.py"]


def test_relative_imports_are_refused(project):
    (project / "stages/shared/late.py").write_text("from . import tags\n")
    with pytest.raises(ValueError, match=r"late\.py:1"):
        closure(project / "stages/shared/late.py", project)


def test_every_exception_exists_and_has_a_reason():
    for path, reason in EXCEPTIONS.items():
        assert (ROOT / path).is_file()
        assert reason
