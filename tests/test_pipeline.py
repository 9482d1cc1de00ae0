"""dvc.yaml is exact: code, params and paths are what the stages really use, and a change re-runs what it affects."""

import ast
import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from dvc.utils.serialize import _yaml

from scripts import deps, sections
from scripts.study import merged
from stages.shared.imports import EXCEPTIONS
from tests import graph

PIPELINE = graph.pipeline()
STAGES = PIPELINE["stages"]
CORPUS = "demo-es"
# A cell of each stage, and of most stages no more: DVC takes seconds for each.
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

# What runs again, to the end of the pipeline, when one key of a section changes its stage's output.
# A gate whose verdict stays the same stops there.
PARAMS = {
    "demo.notes": {"demo_notes", "demo_pairs", "models_base", *CORPORA, *PIECES, *REPHRASER},
    "demo.pairs": {"demo_pairs", *REPHRASER},
    "corpora.demo-es.encoder": {
        "models_base",
        *MORE,
        *TAGGING,
        "pretraining_pretrain",
        "pretraining_probe",
        "pretraining_compare",
    },
    "corpora.demo-es.decoder": {"models_base", *SYNTHESIS, *PIECES, *REPHRASER},
    "corpora.demo-es.raw": {*CORPORA, *PIECES},
    "corpora.demo-es.rewriting": PIECES,
    "corpora.demo-es.kinds": {"release_model", *REPORT},
    "corpora.demo-es.language": {*CHECK, "release_model"},
    "corpora.check": {"corpora_check", "synthesis_check", *REPORT},
    "corpora.split": {"corpora_split", *SHARES, *PIECES},
    "corpora.share": SHARES,
    "synthesis.adapt": SYNTHESIS,
    "synthesis.generate": {"synthesis_generate", "ner_selftrain", *TAGGING},
    "synthesis.annotate": TAGGING,
    "synthesis.check": {"synthesis_check", *REPORT},
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
    "corpora.demo-es.licences": {"release_package"},
}

ALL = set(STAGES)
DEMO = {"demo_notes", "demo_pairs"}
TAGGERS = {
    "release_package",
    "synthesis_annotate",
    *MORE,
    "ner_train",
    "ner_evaluate",
    "pretraining_probe",
    "release_model",
}

# The stages whose code a module is part of: these run again when it is edited, and then what follows from them.
MODULES = {
    "stages/corpora/check.py": {"corpora_check"},
    "stages/corpora/export.py": {"release_package"},
    "stages/corpora/prepare.py": {"corpora_prepare", "corpora_check"},
    "stages/corpora/readers/base.py": {"corpora_prepare", "corpora_check"},
    "stages/corpora/readers/brat.py": {"corpora_prepare", "corpora_check"},
    "stages/corpora/readers/conll.py": {"corpora_prepare", "corpora_check"},
    "stages/corpora/readers/i2b2.py": {"corpora_prepare", "corpora_check"},
    "stages/corpora/readers/jsonl.py": {"corpora_prepare", "corpora_check"},
    "stages/corpora/readers/table.py": {"corpora_prepare", "corpora_check"},
    "stages/corpora/readers/text.py": {"corpora_prepare", "corpora_check"},
    "stages/corpora/resolve.py": {"corpora_prepare", "corpora_check"},
    "stages/corpora/share.py": {"corpora_share"},
    "stages/corpora/split.py": {"corpora_split"},
    "stages/demo/grammar.py": DEMO,
    "stages/demo/identities.py": DEMO,
    "stages/demo/language.py": DEMO,
    "stages/demo/noise.py": DEMO,
    "stages/demo/notes.py": DEMO,
    "stages/demo/pairs.py": {"demo_pairs"},
    "stages/demo/public_text.py": DEMO,
    "stages/demo/scene.py": DEMO,
    "stages/demo/spanish/language.py": DEMO,
    "stages/demo/spanish/note_templates.py": DEMO,
    "stages/demo/spanish/public_templates.py": DEMO,
    "stages/demo/spanish/rewriting.py": DEMO,
    "stages/demo/spanish/words.py": DEMO,
    "stages/demo/swedish/language.py": DEMO,
    "stages/demo/swedish/note_templates.py": DEMO,
    "stages/demo/swedish/public_templates.py": DEMO,
    "stages/demo/swedish/rewriting.py": DEMO,
    "stages/demo/swedish/words.py": DEMO,
    "stages/models/base.py": {"models_base"},
    "stages/models/instruct.py": {"models_rephraser"},
    "stages/models/place.py": {"models_base", "models_rephraser"},
    "stages/models/rephraser.py": {"models_rephraser"},
    "stages/ner/compare.py": {"ner_compare", "release_report"},
    "stages/ner/ensemble.py": {"ner_ensemble"},
    "stages/ner/evaluate.py": {"ner_evaluate"},
    "stages/ner/model.py": TAGGERS,
    "stages/ner/operation.py": {"ner_evaluate"},
    "stages/ner/selftrain.py": {"ner_selftrain"},
    "stages/ner/train.py": {"ner_train", *MORE, "pretraining_probe"},
    "stages/ner/windows.py": TAGGERS,
    "stages/pretraining/check.py": {"pretraining_check"},
    "stages/pretraining/compare.py": {"pretraining_compare"},
    "stages/pretraining/corpus.py": {
        "pretraining_pieces",
        "pretraining_rephrase",
        "pretraining_check",
        "pretraining_perplexity",
        "pretraining_compare",
    },
    "stages/pretraining/engines.py": {"pretraining_rephrase"},
    "stages/pretraining/mix.py": {"pretraining_mix"},
    "stages/pretraining/perplexity.py": {"pretraining_perplexity"},
    "stages/pretraining/pretrain.py": {"pretraining_pretrain"},
    "stages/pretraining/probe.py": {"pretraining_probe"},
    "stages/pretraining/pieces.py": {"pretraining_pieces"},
    "stages/pretraining/rephrase.py": {"pretraining_rephrase"},
    "stages/pretraining/server.py": {"pretraining_rephrase"},
    "stages/release/deidentify.py": {"release_model", "release_report"},
    "stages/release/model.py": {"release_model"},
    "stages/release/cards.py": {"release_package"},
    "stages/release/licences.py": {"release_package"},
    "stages/release/package.py": {"release_package"},
    "stages/release/pages.py": {"release_report"},
    "stages/release/report.py": {"release_report"},
    "stages/release/served.py": {"release_model"},
    "stages/shared/budget.py": {
        "ner_train",
        *MORE,
        "pretraining_probe",
        "synthesis_adapt",
        "synthesis_generate",
    },
    "stages/shared/draws.py": {"corpora_split", "corpora_share", "pretraining_mix", "pretraining_pretrain"},
    "stages/shared/duplicates.py": {"synthesis_generate"},
    "stages/shared/facts.py": {"corpora_check", "synthesis_check"},
    "stages/shared/gate.py": {"corpora_check", "synthesis_check", "pretraining_check", *REPORT},
    "stages/shared/grid.py": {"ner_compare", "release_report", "pretraining_compare"},
    "stages/shared/lineage.py": ALL - {"synthesis_check", "ner_compare"},
    "stages/shared/lm.py": {"synthesis_adapt", "synthesis_generate", "pretraining_perplexity"},
    "stages/shared/models.py": {
        "models_base",
        "models_rephraser",
        "pretraining_pieces",
        "pretraining_rephrase",
        "pretraining_mix",
        "pretraining_pretrain",
        "pretraining_perplexity",
        "pretraining_probe",
        "synthesis_adapt",
        "synthesis_generate",
        "synthesis_annotate",
        "ner_train",
        *MORE,
        "ner_evaluate",
        "release_model",
        "release_package",
    },
    "stages/shared/muon.py": {
        "models_base",
        "models_rephraser",
        "ner_train",
        *MORE,
        "synthesis_adapt",
        "synthesis_generate",
        "pretraining_pretrain",
        "pretraining_probe",
    },
    "stages/shared/ngrams.py": {
        "corpora_split",
        "synthesis_generate",
        "synthesis_check",
        "pretraining_check",
    },
    "stages/shared/notes.py": ALL,
    "stages/shared/outputs.py": ALL,
    "stages/shared/packing.py": {
        "models_base",
        "models_rephraser",
        "synthesis_adapt",
        "synthesis_generate",
        "pretraining_pretrain",
        "pretraining_perplexity",
    },
    "stages/shared/params.py": ALL,
    "stages/shared/public.py": {"models_base", "pretraining_pieces", "pretraining_perplexity"},
    "stages/shared/sampling.py": {"synthesis_generate", "pretraining_rephrase"},
    "stages/shared/scoring.py": {*NER, *MORE, "pretraining_probe", "pretraining_compare"},
    "stages/shared/tag_checks.py": {"corpora_check", "synthesis_check"},
    "stages/shared/tags.py": ALL
    - {"demo_notes", "demo_pairs", "corpora_prepare", "synthesis_adapt", "synthesis_mix"}
    - {"models_base", "models_rephraser", "pretraining_pieces", "pretraining_rephrase"}
    - {"pretraining_mix", "pretraining_pretrain", "pretraining_perplexity"},
    "stages/shared/text.py": {*DEMO, "release_model", "release_report"},
    "stages/shared/tokenizers.py": {"models_base"},
    "stages/shared/training.py": {
        "models_base",
        "synthesis_adapt",
        "synthesis_generate",
        "models_rephraser",
        "ner_train",
        *MORE,
        "pretraining_pretrain",
        "pretraining_probe",
    },
    "stages/shared/units.py": {
        "synthesis_adapt",
        "synthesis_generate",
        "ner_train",
        *MORE,
        "pretraining_probe",
    },
    "stages/synthesis/adapt.py": {"synthesis_adapt", "synthesis_generate"},
    "stages/synthesis/annotate.py": {"synthesis_annotate", "ner_selftrain"},
    "stages/synthesis/check.py": {"synthesis_check"},
    "stages/synthesis/generate.py": {"synthesis_generate"},
    "stages/synthesis/mix.py": {"synthesis_mix"},
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
        self.edges = {
            stage.name: {after.name for after in graph.predecessors(stage)} for stage in self._stages
        }

    def cells(self, path: str) -> set[str]:
        """The cells that an edit of the file `path` makes DVC run, by DVC's own status of that dependency."""
        with self._repo.lock:
            return {
                stage.name
                for stage in self._stages
                if any(dep.def_path == path and dep.status() for dep in stage.deps)
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


def test_code_dependencies_are_the_import_closure(monkeypatch):
    monkeypatch.chdir(graph.ROOT)
    text = Path("dvc.yaml").read_text()
    assert deps.with_code(text) == text, "run `make deps`"


def test_writing_code_dependencies_keeps_everything_else(monkeypatch):
    monkeypatch.chdir(graph.ROOT)
    text = Path("dvc.yaml").read_text()
    without = re.sub(r"    - stages/.*\n", "", text).replace("    deps:\n    params:", "    params:")
    assert deps.with_code(without) == text
    assert re.sub(r"    - stages/.*\n", "", deps.with_code(without + "# end\n")).endswith("# end\n")


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
    used = {path for stage in STAGES.values() for path in stage.get("deps", []) if path.startswith("stages/")}
    listed = {path.relative_to(graph.ROOT).as_posix() for path in (graph.ROOT / "stages").rglob("*.py")}
    tools = {"stages/release/presidio.py": "for pipelines that have Presidio"}
    assert {path for path in listed - used if not path.endswith("__init__.py")} == {*EXCEPTIONS, *tools}


def test_readme_lists_the_stages():
    assert deps.TABLE.search((graph.ROOT / "README.md").read_text()).group() == deps.table(STAGES)


def test_every_key_of_params_has_a_sentence_above_it():
    # Keys below `config` are Hugging Face's, and explained there; `kinds` and `policies` are tables, explained above.
    text = re.sub(
        r"(?m)^( +)(?:config|kinds|policies):\n(?:\1 .*\n)*", "", (graph.ROOT / "params.yaml").read_text()
    )
    unexplained = [
        line
        for before, line in pairwise(text.splitlines())
        if re.match(r"\s+[\w-]+: +[^{\s]", line) and not before.strip().startswith("#")
    ]
    assert unexplained == []


# --- What is loaded


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    return fewer(graph.clone(tmp_path_factory.mktemp("clone")))


def test_params_of_a_stage_are_the_sections_it_loads(clone):
    for cell in sections.cells(clone):
        # demo_notes has no input to miss, and would write its corpus.
        further = not cell.name.startswith("demo_notes@")
        assert sections.loaded(clone, cell, further) == cell.declared, cell.name


@pytest.mark.parametrize("profile", sorted(path.stem for path in (graph.ROOT / "profiles").glob("*.yaml")))
def test_a_profile_loads(clone, profile):
    base = yaml.safe_load((graph.ROOT / "params.yaml").read_text())
    overlay = yaml.safe_load((graph.ROOT / "profiles" / f"{profile}.yaml").read_text())
    (clone / "params.yaml").write_text(yaml.safe_dump(merged(base, overlay)))
    try:
        sections.check(clone)
    finally:
        (clone / "params.yaml").write_text((graph.ROOT / "params.yaml").read_text())


# --- What runs again


@pytest.mark.slow
def test_the_tables_name_all_sections_and_modules():
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
    used = {path for stage in STAGES.values() for path in stage["deps"] if path.startswith("stages/")}
    assert set(MODULES) == used


@pytest.mark.slow
def test_a_change_of_params_reaches_exactly_these_stages(project, changes):
    found = {}
    for section in PARAMS:
        with edited(project, section):
            found[section] = names(following(changes.cells("params.yaml"), changes.edges))
    assert found == PARAMS
    assert changes.cells("params.yaml") == set()


@pytest.mark.slow
def test_an_edit_of_a_module_reaches_exactly_these_stages(project, changes):
    found = {}
    for file in sorted((project / "stages").rglob("*.py")):
        before = file.read_text()
        file.write_text(before + "\n# edited\n")
        module = file.relative_to(project).as_posix()
        if cells := changes.cells(module):
            found[module] = names(cells)
        file.write_text(before)
        assert changes.cells(module) == set()
    assert found == MODULES


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
