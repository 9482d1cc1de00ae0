import json
import subprocess
import sys
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from mlflow import MlflowClient

from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.params import Root, Section
from stages.runtime.stage import GateFile, InFile, OutFile, OutFolder, Run, Stage, find
from tests import graph
from tests.runs import run, write_params


class Settings(Section):
    at: ClassVar[str] = "part.copy"

    times: int
    """How often the text is repeated."""


class Language(Root[str]):
    at: ClassVar[str] = "catalog.{corpus}.language"


def copy(
    corpus: str,
    kind: Literal["long", "short"],
    fold: int,
    text: InFile,
    out: OutFolder,
    metrics: OutFile,
    settings: Settings,
    language: Language,
    run: Run,
) -> str:
    """Copy a text some times.

    It is here for the tests.

    text: what is copied, which may take
      a second line to say.
    out: the copies.
    metrics: how many there are.
    """
    (out / "copies").write_text(text.read_text() * settings.times)
    (run.scratch / "chunk").touch()
    lineage.write(out, [])
    metrics.write_text(json.dumps([corpus, kind, fold, language.root]))
    return "copied"


@pytest.fixture
def project(workdir):
    """Inputs, params and the arguments of a stage."""
    Path("text").write_text("ab")
    write_params({"part": {"copy": {"times": 2}}, "catalog": {"c": {"language": "es"}}})
    return {"corpus": "c", "kind": "long", "fold": 3, "text": "text", "out": "data/out", "metrics": "metrics.json"}


def test_arguments_params_and_outputs_follow_from_the_signature(project, capsys):
    run(Stage("part.copy", copy), **project)
    assert Path("data/out/copies").read_text() == "abab"
    assert json.loads(Path("metrics.json").read_text()) == ["c", "long", 3, "es"]
    assert capsys.readouterr().out == "c long fold 3: copied\n"
    assert list(Path("data/.scratch").rglob("*")) == [Path("data/.scratch/part"), Path("data/.scratch/part/copy")]


def test_a_stage_is_called_as_the_function_it_wraps(project):
    Path("out").mkdir()
    tracker = Run("part.copy", "", lambda: "key")
    said = Stage("part.copy", copy)(
        "c", "long", 0, Path("text"), Path("out"), Path("m"), Settings(times=3), Language("sv"), tracker
    )
    assert said == "copied" and Path("out/copies").read_text() == "ababab"


def test_a_failure_keeps_earlier_outputs_and_the_scratch_folder(project):
    def fail(text: InFile, out: OutFolder, report: GateFile, run: Run) -> str:
        (out / "half").touch()
        (run.scratch / "chunk").write_text("kept")
        report.write_text("why")
        raise UserError("no")

    Path("data/out").mkdir(parents=True)
    Path("data/out/earlier").touch()
    with pytest.raises(UserError, match="no"):
        run(Stage("part.fail", fail), text="text", out="data/out", report="report")
    assert [path.name for path in Path("data/out").iterdir()] == ["earlier"]
    assert Path("report").read_text() == "why"
    assert [path.read_text() for path in Path("data/.scratch").rglob("chunk")] == ["kept"]


def test_the_scratch_folder_is_found_again_until_params_inputs_or_cell_change(project):
    seen = []

    def look(fold: int, text: InFile, settings: Settings, run: Run) -> str:
        seen.append(run.scratch)
        raise UserError("stop")

    def again(fold: int = 0, times: int = 2, text: str = "ab") -> Path:
        Path("text").write_text(text)
        write_params({"part": {"copy": {"times": times}}})
        with pytest.raises(UserError):
            run(Stage("part.look", look), fold=fold, text="text")
        return seen[-1]

    first = again()
    assert again() == first
    assert len({first, again(fold=1), again(times=3), again(text="abc")}) == 4


def test_an_output_below_data_needs_its_lineage(project):
    def forget(out: OutFolder) -> str:
        (out / "weights").touch()
        return "done"

    with pytest.raises(RuntimeError, match="recorded no lineage"):
        run(Stage("part.forget", forget), out="data/out")
    assert not Path("data/out").exists()
    run(Stage("part.forget", forget), out="metrics")
    assert Path("metrics/weights").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"part": {"copy": {"tiems": 2}}}, r"part\.copy\.tiems is not a known key; did you mean times"),
        ({"catalog": {"d": {"language": "es"}}}, r"catalog\.c\.language is missing; catalog has d"),
    ],
)
def test_wrong_params_are_named_before_anything_is_done(project, change, message):
    write_params({"part": {"copy": {"times": 2}}, "catalog": {"c": {"language": "es"}}} | change)
    with pytest.raises(UserError, match=message):
        run(Stage("part.copy", copy), **project)
    assert not Path("data").exists()


def test_a_missing_input_is_named(project):
    with pytest.raises(UserError, match="nowhere: not there; `dvc repro`"):
        run(Stage("part.copy", copy), **project | {"text": "nowhere"})


def test_help_comes_from_the_docstring():
    text = " ".join(Stage("part.copy", copy).parser().format_help().split())
    assert "Copy a text some times." in text
    assert "--text PATH read: what is copied, which may take a second line to say." in text
    assert "--kind {long,short}" in text
    assert "--corpus CORPUS name of the corpus" in text


def test_a_tracked_stage_logs_numbers_and_attaches_its_reports(project, store):
    def measure(corpus: str, out: OutFolder, report: OutFile, settings: Settings, run: Run) -> str:
        lineage.write(out, [])
        report.write_text("{}")
        run.log({"f1": 0.5}, step=2)
        return "done"

    run(Stage("part.measure", measure), corpus="c", out="data/out", report="metrics/c.json")
    client = MlflowClient(store)
    (found,) = client.search_runs([client.get_experiment_by_name("part/measure").experiment_id])
    assert (found.info.run_name, found.data.metrics, found.data.params) == ("c", {"f1": 0.5}, {"times": "2"})
    assert found.data.tags["corpus"] == "c"
    assert [file.path for file in client.list_artifacts(found.info.run_id)] == ["c.json"]


@pytest.mark.parametrize("name", graph.pipeline()["stages"])
def test_every_path_of_every_stage_is_documented(name):
    stage = find(name)
    assert {path for path in (*stage.inputs, *stage.outputs) if not stage.help(path)} == set()
    assert {axis for axis in stage.axes if not stage.help(axis)} == set()
    assert stage.name == name.replace("_", ".", 1)


def test_a_stage_run_as_a_module_ends_with_one_message(workdir):
    command = [sys.executable, "-m", "stages.ner.train", *"--corpus c --arm real --fold 0 --seed 1 --base b".split()]
    command += "--notes n --select s --out o --metrics m".split()
    done = subprocess.run(command, cwd=graph.ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "error: b: not there; `dvc repro` makes the inputs of a stage\n")
