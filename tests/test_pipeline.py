"""dvc.yaml is exact: code, params and paths are what the stages really use, and a change re-runs what it affects."""

import ast
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from dvc.utils.serialize import _yaml

from scripts import check_params, deps
from scripts.study import merged, overlaid
from stages.runtime.imports import EXCEPTIONS, closure
from tests import graph

PIPELINE = graph.pipeline()
STAGES = PIPELINE["stages"]
CORPUS = "demo-es"
# A cell of each stage, and of most stages only one: DVC takes seconds for each.
FEWER = {
    "grid": {
        "sources": ["real"], "prompts": ["encyclopedia"], "mixtures": ["rephrased"],
        "ensembled": [CORPUS], "selftrained": [CORPUS], "packaged": ["synthetic"],
    }
}  # fmt: skip

# Every stage that follows from the arms' notes onwards.
REPORT = {"release_report", "release_package"}
COMPARE = {"ner_compare", *REPORT}
NER = {"ner_train", "ner_evaluate", *COMPARE}
TRAINED = {*NER, "release_model"}
# Annotators beyond one; real notes' model is the teacher of the last.
MORE = {"ner_ensemble", "ner_selftrain"}
TAGGING = {"synthesis_annotate", "synthesis_check", "synthesis_mix", *TRAINED}
SYNTHESIS = {"synthesis_adapt", "synthesis_generate", "ner_selftrain", *TAGGING}
SHARES = {"corpora_share", *MORE, *SYNTHESIS}
CORPORA = {"corpora_prepare", "corpora_check", "corpora_split", *SHARES}

SCORE = {"pretraining_perplexity", "pretraining_probe", "pretraining_compare"}
PRETRAIN = {"pretraining_pretrain", *SCORE}
MIX = {"pretraining_mix", *PRETRAIN}
REPHRASE = {"pretraining_rephrase", "pretraining_check", *MIX}
# Of a model trained here, the weights; of any, its place.
REPHRASER = {"models_rephraser", *REPHRASE}
PIECES = {"pretraining_pieces", *REPHRASE}
# Its verdict may stay, but the answers that it keeps are new.
CHECK = {"pretraining_check", *MIX}

# Stages of which nothing but the verdict is read.
GATES = {"corpora_check", "synthesis_check"}

# The stages that run again, to the end of the pipeline, when a key of the section changes. After a gate whose verdict
# stays the same, nothing runs.
PARAMS = {
    "demo.notes": {"demo_notes", "demo_pairs", "models_base", *CORPORA, *PIECES, *REPHRASER},
    "demo.pairs": {"demo_pairs", *REPHRASER},
    "catalog.demo-es.encoder": {
        "corpora_check",
        "models_base",
        *MORE,
        *TAGGING,
        "pretraining_pretrain",
        "pretraining_probe",
        "pretraining_compare",
    },
    "catalog.demo-es.decoder": {"corpora_check", "models_base", *SYNTHESIS, *PIECES, *REPHRASER},
    "catalog.demo-es.raw": {*CORPORA, *PIECES},
    "catalog.demo-es.rewriting": PIECES,
    "catalog.demo-es.labels": {*CORPORA, *PIECES},
    "catalog.demo-es.servers_permitted": {"synthesis_generate", "ner_selftrain", *TAGGING, *REPHRASE},
    "catalog.demo-es.language": {*CHECK, "release_model"},
    "corpora.check": {"corpora_check", "synthesis_check", *REPORT},
    "corpora.split": {"corpora_split", *SHARES, *PIECES},
    "corpora.share": SHARES,
    "synthesis.adapt": SYNTHESIS,
    "synthesis.generate": {"synthesis_generate", "ner_selftrain", *TAGGING},
    "synthesis.annotate": TAGGING,
    "synthesis.check": {"synthesis_check", *REPORT},
    "synthesis.copies": {"synthesis_check", "synthesis_mix", *TRAINED},
    "synthesis.mix": {"synthesis_mix", *TRAINED},
    "ner.train": {*MORE, *TAGGING},
    "ner.evaluate": {"ner_evaluate", *COMPARE},
    "ner.ensemble": {"ner_ensemble"},
    "ner.selftrain": {"ner_selftrain"},
    "ner.compare": COMPARE,
    "models.rephraser.demo": REPHRASER,
    "pretraining.pieces": PIECES,
    "pretraining.rephrase": REPHRASE,
    "pretraining.rephrase.prompts": REPHRASER,
    "pretraining.check": CHECK,
    "pretraining.mix": MIX,
    "pretraining.pretrain": PRETRAIN,
    "pretraining.perplexity": {"pretraining_perplexity", "pretraining_compare"},
    "pretraining.probe.tasks.ner": {"pretraining_probe", "pretraining_compare"},
    "pretraining.compare": {"pretraining_compare"},
    "release.model": {"release_model"},
    "release.report": REPORT,
    "release.package": {"release_package"},
    "catalog.demo-es.licences": {"release_package"},
}

# The packages of stages/, lowest first: each may import those before it, and itself.
PACKAGES = (
    "runtime", "notes", "lm", "generation", "scoring", "gates", "demo", "models", "corpora", "ner", "synthesis",
    "pretraining", "release",
)  # fmt: skip
# Modules that no stage imports, each with the reason.
TOOLS = {"stages/release/presidio.py": "for pipelines that use Presidio"}
# Distributions that pyproject.toml declares although nothing imports them, each with the reason.
NOT_IMPORTED = {
    "accelerate": "transformers loads large models with it",
    "ruamel-yaml-clib": "DVC parses YAML with it",
}


def fewer(folder: Path) -> Path:
    """A clone with fewer mixtures."""
    settings = yaml.safe_load((folder / "params.yaml").read_text())
    (folder / "params.yaml").write_text(yaml.safe_dump(merged(settings, FEWER)))
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A clone with stub commands in which the whole pipeline has run."""
    folder = fewer(graph.stub(graph.clone(tmp_path_factory.mktemp("project"))))
    graph.run(folder, "dvc", "repro", "--quiet")
    graph.commit(folder)
    return folder


class Changes:
    """Which cells of a project DVC would run because of their own params and code."""

    def __init__(self, folder: Path) -> None:
        from dvc.repo import Repo

        self._repo = Repo(str(folder))
        self._stages = [stage for stage in self._repo.index.stages if stage.cmd]
        graph = self._repo.index.graph
        self.edges = {stage.name: {after.name for after in graph.predecessors(stage)} for stage in self._stages}

    def cells(self, path: str) -> set[str]:
        """The cells that an edit of the file `path` makes DVC run, by DVC's status of what holds it."""
        holders = {path, *(folder.as_posix() for folder in Path(path).parents)}
        with self._repo.lock:
            return {
                stage.name
                for stage in self._stages
                if any(dep.def_path in holders and dep.status() for dep in stage.deps)
            }


@pytest.fixture(scope="module")
def changes(project) -> Iterator[Changes]:
    # DVC parses params.yaml anew for every cell: here once for each content.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_yaml, "parse_yaml", cache(_yaml.parse_yaml))
        yield Changes(project)


def names(cells: set[str]) -> set[str]:
    return {cell.split("@")[0] for cell in cells}


def changed(settings: dict, section: str) -> dict:
    """params.yaml with one key of a section changed; settings are copied."""
    copy = yaml.safe_load(yaml.safe_dump(settings))
    inner = copy
    *path, last = section.split(".")
    for part in path:
        inner = inner[part]
    value = inner[last] or {}
    inner[last] = value | {"changed": 1} if isinstance(value, dict) else f"{value} changed"
    return copy


# --- What is written


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_has_a_description_a_module_and_tests(name):
    module = Path(deps.module_of(name))
    assert STAGES[name]["desc"]
    assert (graph.ROOT / module).is_file()
    assert (graph.ROOT / "tests" / module.parent.name / f"test_{module.stem}.py").is_file()
    dotted = ".".join(module.with_suffix("").parts)
    assert STAGES[name]["cmd"].startswith(f"python -m {dotted} ")
    assert name in ast.get_docstring(ast.parse((graph.ROOT / module).read_text()))


def test_code_dependencies_are_current(monkeypatch):
    monkeypatch.chdir(graph.ROOT)
    text = Path("dvc.yaml").read_text()
    assert deps.with_code(text) == text, "run `make deps`"


def test_writing_code_dependencies_keeps_everything_else(monkeypatch):
    monkeypatch.chdir(graph.ROOT)
    text = Path("dvc.yaml").read_text()
    without = re.sub(r"    - stages/.*\n", "", text).replace("    deps:\n    params:", "    params:")
    assert deps.with_code(without) == deps.with_code(text)
    assert re.sub(r"    - stages/.*\n", "", deps.with_code(without + "# end\n")).endswith("# end\n")


def test_a_folder_stands_for_files_only_if_it_holds_no_other(workdir):
    files = ["stages/a/x.py", "stages/a/inner/y.py", "stages/a/inner/page.html.j2", "stages/b/z.py"]
    for name in [*files, "stages/a/inner/__init__.py", "stages/a/__pycache__/x.pyc", "stages/b/plot.json"]:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("" if name.endswith("__init__.py") else "x")
    assert deps.as_folders(files) == ["stages/a", "stages/b/z.py"]
    assert deps.as_folders(files[1:]) == ["stages/a/inner", "stages/b/z.py"]
    assert deps.as_folders(files[:2]) == ["stages/a/inner/y.py", "stages/a/x.py"]
    Path("stages/a/inner/__init__.py").write_text("import os")
    assert deps.as_folders(files[1:3]) == ["stages/a/inner/page.html.j2", "stages/a/inner/y.py"]


@pytest.mark.parametrize("name", STAGES)
def test_every_path_of_a_command_is_declared(name):
    stage = STAGES[name]
    used = {word for word in shlex.split(stage["cmd"]) if word.startswith(("data/", "metrics/"))}
    written = {path for key in graph.OUTS for path in graph.paths(stage.get(key, []))}
    declared = {path for path in stage.get("deps", []) if path.startswith(("data/", "metrics/"))}
    # A folder in the command may stand for the outs or the gate files below it.
    for path in used:
        assert path in declared | written or any(out.startswith(f"{path}/") for out in written), path
    for path in written | declared:
        gate = path.endswith(".passed") and path in declared
        assert gate or any(path == word or path.startswith(f"{word}/") for word in used), path


def test_init_files_are_empty():
    assert [str(file) for file in (graph.ROOT / "stages").rglob("__init__.py") if file.read_text()] == []


def test_every_module_is_used_by_a_stage_or_is_an_exception():
    used = {path for name in STAGES for path in code(name)}
    listed = {
        path.relative_to(graph.ROOT).as_posix()
        for kind in ("*.py", "*.j2")
        for path in (graph.ROOT / "stages").rglob(kind)
        if path.name != "__init__.py"
    }
    assert listed - used == {*EXCEPTIONS, *TOOLS}


def test_the_docs_list_the_stages():
    page = (graph.ROOT / deps.PAGE).read_text()
    assert deps.TABLE.search(page).group() == deps.table(STAGES), "run `make deps`"


# --- What is imported


def imports(top: str) -> Iterator[tuple[Path, str]]:
    """Every file below a folder of the project with every module it imports, once for each import."""
    for file in sorted((graph.ROOT / top).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from ((file.relative_to(graph.ROOT), alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield file.relative_to(graph.ROOT), node.module or ""


def test_a_package_imports_only_lower_packages():
    folders = {path.name for path in (graph.ROOT / "stages").iterdir() if (path / "__init__.py").is_file()}
    assert folders == set(PACKAGES)
    upward = [
        f"{file} imports {name}"
        for file, name in imports("stages")
        if name.startswith("stages.") and PACKAGES.index(name.split(".")[1]) > PACKAGES.index(file.parts[1])
    ]
    assert upward == []


def test_stages_import_no_scripts_and_no_tests():
    assert [(file, name) for file, name in imports("stages") if name.split(".")[0] in ("scripts", "tests")] == []


def test_every_third_party_import_is_declared():
    def normal(name: str) -> str:
        return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", name)[0]).lower()

    project = tomllib.loads((graph.ROOT / "pyproject.toml").read_text())["project"]
    extras = {name: set(map(normal, listed)) for name, listed in project["optional-dependencies"].items()}
    development = extras.pop("dev")
    declared = set(map(normal, project["dependencies"]))
    offered = declared.union(*extras.values())
    places = packages_distributions()
    used = set()
    for file, name in (*imports("stages"), *imports("scripts")):
        top = name.split(".")[0]
        if top not in sys.stdlib_module_names and top not in ("stages", "scripts"):
            found = offered & {normal(distribution) for distribution in places[top]}
            assert found, f"{file} imports {top}, which pyproject.toml does not declare"
            used |= found
    assert declared - used == set(NOT_IMPORTED)
    # What extras offer is tested.
    assert set().union(*extras.values()) <= development


@cache
def code(name: str) -> frozenset[str]:
    """The files that a stage's behaviour depends on."""
    return frozenset(closure(graph.ROOT / deps.module_of(name), graph.ROOT))


@pytest.mark.parametrize(
    ("edited_files", "stages"),
    [
        # The optimiser is for those who train.
        (("lm/muon.py", "lm/training.py"), {"synthesis_generate", "pretraining_rephrase", "release_model"}),
        # Checks read note tables, whatever format the corpus had.
        (("corpora/readers/",), {"corpora_check", "corpora_split", "synthesis_check"}),
        (("release/deidentif", "release/surrogates.py"), {"release_report"}),
    ],
)
def test_an_edit_does_not_reach_stages_that_do_not_depend_on_it(edited_files, stages):
    for prefix in edited_files:
        assert list((graph.ROOT / "stages").glob(f"{prefix}*")), prefix
        reached = {name for name in stages if any(path.startswith(f"stages/{prefix}") for path in code(name))}
        assert reached == set(), prefix


# --- What is loaded


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    return fewer(graph.clone(tmp_path_factory.mktemp("clone")))


def test_params_of_a_stage_are_the_sections_it_loads(clone):
    for cell in check_params.cells(clone):
        assert set(cell.stage.sections(cell.arguments).values()) == cell.declared, cell.name


@pytest.mark.parametrize("profile", sorted(path.stem for path in (graph.ROOT / "profiles").glob("*.yaml")))
def test_a_profile_loads(clone, profile):
    base = yaml.safe_load((graph.ROOT / "params.yaml").read_text())
    (clone / "params.yaml").write_text(yaml.safe_dump(overlaid(base, profile)))
    try:
        check_params.check(clone)
    finally:
        (clone / "params.yaml").write_text((graph.ROOT / "params.yaml").read_text())


# --- What runs again


@pytest.mark.slow
def test_the_table_names_all_sections():
    declared = {section for stage in STAGES.values() for section in stage["params"]}
    places = {
        "${item.corpus}": [CORPUS],
        "${item.role}": ["encoder", "decoder"],
        "${item.rephraser}": ["demo"],
        "${item.task}": ["ner"],
    }
    for place, values in places.items():
        declared = {section.replace(place, value) for section in declared for value in values}
    assert set(PARAMS) == declared - {
        "grid", "grid.arms", "grid.ensembled", "grid.selftrained", "grid.prompts", "grid.rephrasers",
    }  # fmt: skip


@pytest.mark.slow
def test_a_change_of_params_reaches_exactly_these_stages(project, changes):
    found = {}
    for section in PARAMS:
        with edited(project, section):
            found[section] = names(following(changes.cells("params.yaml"), changes.edges))
    assert found == PARAMS
    assert changes.cells("params.yaml") == set()


@pytest.mark.slow
def test_an_edit_of_a_module_reaches_exactly_the_stages_that_depend_on_it(project, changes):
    """By DVC's own status: folders stand for the files in them, and no more."""
    for file in sorted((project / "stages").rglob("*.*")):
        path = file.relative_to(project).as_posix()
        if file.suffix == ".pyc" or file.name == "__init__.py":
            continue
        before = file.read_text()
        file.write_text(before + "\n")
        assert names(changes.cells(path)) == {name for name in STAGES if path in code(name)}, path
        file.write_text(before)


@pytest.mark.slow
def test_dvc_runs_exactly_these_stages(project):
    """The same by really running: what `following` supposes about gates and downstream cells holds."""
    with edited(project, "corpora.check", "ner.evaluate"):
        ran = graph.ran(graph.run(project, "dvc", "repro").stdout)
        assert ran == PARAMS["corpora.check"] | PARAMS["ner.evaluate"]
    # The run cache brings cells back; those that only write files for git take seconds.
    again = graph.ran(graph.run(project, "dvc", "repro").stdout)
    assert again <= {"corpora_check", "synthesis_check", "ner_compare"}
    assert "up to date" in graph.run(project, "dvc", "status").stdout


@pytest.mark.slow
def test_generation_does_not_touch_models_trained_on_real_notes(project, changes):
    with edited(project, "synthesis.generate"):
        cells = following(changes.cells("params.yaml"), changes.edges)
    trained = {cell for cell in cells if cell.startswith("ner_train@")}
    assert trained == {f"ner_train@synthetic-{CORPUS}-0-1", f"ner_train@mixed-{CORPUS}-0-1"}


@pytest.mark.slow
def test_a_new_seed_runs_only_its_own_cells(project):
    with edited(project):
        settings = yaml.safe_load((project / "params.yaml").read_text())
        settings["grid"]["seeds"] = [1, 2]
        (project / "params.yaml").write_text(yaml.safe_dump(settings))
        status = graph.run(project, "dvc", "status", "--json").stdout
    cells = set(json.loads(status))
    assert names({cell for cell in cells if not cell.endswith("-2")}) == {
        "ner_compare",
        "pretraining_compare",
        "release_report",
    }
    assert names(cells) == {*SHARES, *PRETRAIN}


@pytest.mark.slow
def test_an_encoder_pretrained_here_can_be_what_ner_starts_from(project):
    with edited(project):
        settings = yaml.safe_load((project / "params.yaml").read_text())
        settings["ner"]["start"] = "pretrained/encoder/rephrased"
        (project / "params.yaml").write_text(yaml.safe_dump(settings))
        assert names(Changes(project).cells(f"data/models/pretrained/encoder/rephrased/{CORPUS}")) == {
            "ner_train",
            *MORE,
        }


@pytest.mark.slow
def test_a_corpus_without_tags_runs_the_second_branch_alone(tmp_path):
    folder = graph.stub(fewer(graph.clone(tmp_path)))
    alone = {
        "grid": {
            "synthesized": [],
            "ensembled": [],
            "selftrained": [],
            "rephrasers": [],
            "mixtures": ["real"],
            "tasks": [],
        }
    }
    settings = yaml.safe_load((folder / "params.yaml").read_text())
    (folder / "params.yaml").write_text(yaml.safe_dump(merged(settings, alone)))
    ran = graph.ran(graph.run(folder, "dvc", "repro").stdout)
    first = {"corpora_share", "synthesis_adapt", "ner_train", "ner_compare"}
    assert not ran & first
    assert ran >= {"pretraining_pieces", "pretraining_mix", *SCORE} - {"pretraining_probe"}


@contextmanager
def edited(folder: Path, *chosen: str) -> Iterator[None]:
    """One key of each chosen section is changed inside the block."""
    file = folder / "params.yaml"
    before = file.read_text()
    settings = yaml.safe_load(before)
    for section in chosen:
        settings = changed(settings, section)
    file.write_text(yaml.safe_dump(settings))
    yield
    file.write_text(before)


def following(cells: set[str], edges: dict[str, set[str]]) -> set[str]:
    """`cells` and all that depend on their output; a gate's verdict, the same as before, leads no further than to the
    report, which shows its findings.
    """
    found, waiting = set(), list(cells)
    while waiting:
        cell = waiting.pop()
        if cell not in found:
            found.add(cell)
            after = edges[cell]
            if cell.split("@")[0] in GATES:
                after = {reader for reader in after if reader.startswith("release_report@")}
            waiting.extend(after)
    return found
