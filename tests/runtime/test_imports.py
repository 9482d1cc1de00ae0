import pytest

from stages.runtime.imports import EXCEPTIONS, closure
from tests.graph import ROOT


@pytest.fixture
def project(tmp_path):
    files = {
        "stages/__init__.py": "",
        "stages/ner/__init__.py": "",
        "stages/ner/train.py": "import json\nfrom stages.ner import tagger\ndef f():\n    import stages.notes.late\n",
        "stages/ner/tagger.py": "from stages.notes.tags import words as w\nfrom stages.runtime.errors import run\n",
        "stages/notes/tags.py": "from stages.ner import train\n",
        "stages/runtime/errors.py": "from stages.notes import hidden\n",
        "stages/notes/late.py": "import torch\n",
        "stages/notes/hidden.py": "",
        "stages/notes/unused.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_closure_follows_functions_and_cycles(project):
    assert closure(project / "stages/ner/train.py", project) == [
        "stages/ner/tagger.py",
        "stages/ner/train.py",
        "stages/notes/hidden.py",
        "stages/notes/late.py",
        "stages/notes/tags.py",
    ]


def test_an_exception_counts_for_itself(project):
    path = "stages/runtime/errors.py"
    assert path in EXCEPTIONS
    assert closure(project / path, project) == ["stages/notes/hidden.py", path]


def test_templates_beside_a_module_belong_to_it(project):
    (project / "stages/ner/card.md.j2").write_text("{{ title }}")
    (project / "stages/ner/unused.md.j2").write_text("")
    (project / "stages/notes/late.py").write_text('CARD = "card.md.j2"\n')
    (project / "stages/ner/tagger.py").write_text("def write(): return render('card.md.j2')\n")
    assert closure(project / "stages/ner/train.py", project) == [
        "stages/ner/card.md.j2",
        "stages/ner/tagger.py",
        "stages/ner/train.py",
        "stages/notes/late.py",
    ]


def test_relative_imports_are_refused(project):
    (project / "stages/notes/late.py").write_text("from . import tags\n")
    with pytest.raises(ValueError, match=r"late\.py:1"):
        closure(project / "stages/notes/late.py", project)


def test_every_exception_exists_and_has_a_reason():
    for path, reason in EXCEPTIONS.items():
        assert (ROOT / path).is_file()
        assert reason
