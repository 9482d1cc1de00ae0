import pytest

from scripts import tidy
from tests import graph


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = graph.clone(tmp_path)
    monkeypatch.chdir(folder)
    return folder


def test_only_what_no_cell_owns_is_deleted(project, capsys):
    kept = [
        "data/raw/demo-es/train/a.txt",
        "data/raw/own/somebodys-only-copy.txt",
        "data/raw/own.dvc",
        "data/public/.gitignore",
        "data/hub/somebodys-model/model.safetensors",
        "data/public/somebodys/text.jsonl",
        "data/tasks/somebodys/train.jsonl",
        "data/.vault/files/x",
        "data/ner/real/demo-es/0/1/notes.parquet",
        "metrics/ner/train/real/demo-es/0/1.json",
        "metrics/ner/compare/demo-es/arms.csv",
    ]
    orphans = [
        "data/ner/real/demo-es/0/2/notes.parquet",
        "data/ner/real/left/0/1/notes.parquet",
        "data/models/ner/ensemble/demo-es/0/1/model.safetensors",
        "data/.scratch/ner/train/abc/checkpoint",
        "metrics/ner/train/real/demo-es/0/2.json",
        "metrics/gone/report.json",
    ]
    for name in [*kept, *orphans]:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("outs:\n- path: own\n" if name.endswith(".dvc") else "x")
    tidy.main()
    assert [name for name in kept if not (project / name).is_file()] == []
    assert [name for name in orphans if (project / name).exists()] == []
    printed = {line.removeprefix(f"{project}/") for line in capsys.readouterr().out.split()}
    assert printed == {
        "data/ner/real/demo-es/0/2",
        "data/ner/real/left",
        "data/models/ner/ensemble",
        "metrics/ner/train/real/demo-es/0/2.json",
        "metrics/gone",
    }
