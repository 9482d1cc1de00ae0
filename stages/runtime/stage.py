"""A stage is a typed function: its signature is its command line, its params, its inputs and its outputs.

    @stage("ner.train")
    def train(corpus: str, seed: int, notes: NoteTable, out: OutFolder, settings: Train, run: Run) -> str:
        '''Train a de-identification model.

        notes: notes to learn from.
        out: model, tokenizer and lineage.json.
        '''

`python -m stages.ner.train --corpus demo-es --seed 1 --notes ... --out ...` checks the arguments, the params and the
inputs, calls the function, and prints the sentence that it returns. What a parameter is follows from its annotation:

- `Annotated[Path, Input(...)]`: a file or folder to read, checked before the function is called.
- `Annotated[Path, Output(...)]`: a file or folder to write. The function gets a path beside it, which takes its place
  when the function returns, so that an output is there whole or not at all.
- a settings class with `at`: the section of params.yaml of that name.
- `Run`: scratch space and MLflow tracking. Only stages that ask for it are tracked, with their reports attached.
- anything else is part of the cell, the point of the grid that is computed: corpus, arm, fold, seed.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Generic, Literal, ParamSpec, Self, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from stages.runtime import errors, lineage, params, scratch
from stages.runtime.console import first_process, say
from stages.runtime.devices import see_one_gpu
from stages.runtime.errors import UserError
from stages.runtime.outputs import building
from stages.runtime.tracking import Tracker, is_report, track

P = ParamSpec("P")


@dataclass(frozen=True)
class Input:
    """A path to read. `check` raises UserError for something that is not what the stage expects."""

    check: Callable[[Path], Any] | None = None


@dataclass(frozen=True)
class Output:
    """A path to write. A folder is created empty; below data/ the stage must record its `lineage` in it.

    With `in_place` the stage gets the final path and writes there itself: a gate that fails leaves its report.
    """

    folder: bool = False
    lineage: bool = True
    in_place: bool = False


InFile = Annotated[Path, Input()]
InFolder = Annotated[Path, Input()]
OutFile = Annotated[Path, Output()]
OutFolder = Annotated[Path, Output(folder=True)]
GateFile = Annotated[Path, Output(in_place=True)]


# What the axes mean, for `--help`; a stage's docstring may say more.
AXES = {
    "corpus": "name of the corpus: a key of `catalog` in params.yaml",
    "arm": "which notes the model is trained on: real, annotator, synthetic or mixed",
    "fold": "number of the fold: which notes are tested on",
    "seed": "seed of the replicate",
    "source": "what is rewritten: real (notes) or unseen (public texts)",
    "rephraser": "name of the model that rewrites: a key of `models.rephraser` in params.yaml",
    "prompt": "name of the prompt: a key of `pretraining.rephrase.prompts` in params.yaml",
    "mixture": "name of the mixture that is pretrained on: a key of `pretraining.mix.mixtures` in params.yaml",
    "task": "name of the downstream task: a key of `pretraining.probe.tasks` in params.yaml",
}


class Run(Tracker):
    """A running stage: `log` and `artifact` go to MLflow, and long work keeps finished parts in `scratch`."""

    def __init__(self, stage: str, cell: str, key: Callable[[], str], tracker: Tracker | None = None) -> None:
        super().__init__((tracker or Tracker()).send)
        self._stage, self._cell, self._key = stage, cell, key
        self._claims: list[scratch.Claim] = []

    @cached_property
    def scratch(self) -> Path:
        """A private folder that outlives a killed stage and is found again while params, inputs and code stay."""
        return self._keep(self._key())

    @cached_property
    def cell_scratch(self) -> Path:
        """The same, kept for the cell whatever changes: for entries that carry a key of their own."""
        return self._keep(re.sub(r"\W+", "-", self._cell), wait=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        """Leave the scratch folders to other processes; delete them if the work is finished."""
        for claim in self._claims:
            claim.release(finished=kind is None)

    def _keep(self, key: str, wait: bool = False) -> Path:
        self._claims.append(scratch.Claim(self._stage, key, wait))
        return self._claims[-1].folder


class Stage(Generic[P]):
    """A stage: call it like the function it wraps, or `main()` it from the command line."""

    def __init__(self, name: str, function: Callable[P, str]) -> None:
        self.name, self.function = name, function
        kinds = get_type_hints(function, include_extras=True)
        kinds.pop("return", None)
        marks = {name: kind.__metadata__[0] for name, kind in kinds.items() if hasattr(kind, "__metadata__")}
        self.inputs = {name: mark for name, mark in marks.items() if isinstance(mark, Input)}
        self.outputs = {name: mark for name, mark in marks.items() if isinstance(mark, Output)}
        self.settings: dict[str, Any] = {
            name: kind for name, kind in kinds.items() if inspect.isclass(kind) and issubclass(kind, BaseModel)
        }
        self.tracked = next((name for name, kind in kinds.items() if kind is Run), None)
        special = {*self.inputs, *self.outputs, *self.settings, self.tracked}
        self.axes = {name: kind for name, kind in kinds.items() if name not in special}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> str:
        return self.function(*args, **kwargs)

    def main(self) -> None:
        """Run the stage as its command line asks; if it fails, exit with 1 after one message."""

        def run() -> None:
            errors.keep_native_code_silent()
            arguments = vars(self.parser().parse_args(sys.argv[1:]))
            see_one_gpu()
            self.run(arguments)

        errors.run(run)

    def run(self, arguments: Mapping[str, Any]) -> None:
        """Run the stage on a value for each axis, input and output; its sections come from params.yaml."""
        axes = {name: arguments[name] for name in self.axes}
        settings = self.load(axes)
        inputs, outputs = ({name: Path(arguments[name]) for name in paths} for paths in (self.inputs, self.outputs))
        for name, path in inputs.items():
            if not path.exists():
                raise UserError(f"{path}: not there; `dvc repro` makes the inputs of a stage")
            if check := self.inputs[name].check:
                check(path)
        cell = " ".join(str(value) if isinstance(value, str) else f"{name} {value}" for name, value in axes.items())
        given: dict[str, Any] = {**axes, **settings, **inputs}
        key = partial(scratch.fingerprint, self.name, axes, settings, inputs.values())
        logged: Any = next(iter(settings.values()), {})
        tracking = track(self.name.replace(".", "/"), cell, logged, axes, inputs.values())
        with (
            scratch.alone(self.name, outputs.values()),
            tracking if self.tracked and first_process() else nullcontext() as tracker,
            Run(self.name, cell, key, tracker) as running,
        ):
            if self.tracked:
                given[self.tracked] = running
            with ExitStack() as built:
                for name, path in outputs.items():
                    given[name] = built.enter_context(_building(path, self.outputs[name]))
                message = self.function(**given)  # type: ignore[call-arg]
            for path in filter(is_report, outputs.values()):
                running.artifact(path)
        say(f"{cell}: {message}" if cell else message)

    def load(self, axes: Mapping[str, Any], content: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The settings by parameter, from params.yaml or its `content`; UserError names every wrong key."""
        content = params.read() if content is None and self.settings else content or {}
        loaded, wrong = {}, []
        for name, section in self.sections(axes).items():
            try:
                loaded[name] = params.parse(self.settings[name], section, content)
            except UserError as error:
                wrong.append(str(error))
        if wrong:
            raise UserError("\n".join(wrong))
        return loaded

    def sections(self, axes: Mapping[str, Any]) -> dict[str, str]:
        """The section of params.yaml that each settings parameter is loaded from."""
        return {name: kind.at.format(**axes) for name, kind in self.settings.items()}

    def parser(self) -> argparse.ArgumentParser:
        """The command line, with the function's docstring as help."""
        summary = (inspect.getdoc(self.function) or "").split("\n")[0]
        parser = argparse.ArgumentParser(prog=f"python -m stages.{self.name}", description=summary)
        for name, kind in self.axes.items():
            of = {"choices": get_args(kind)} if get_origin(kind) is Literal else {"type": kind}
            parser.add_argument(f"--{name}", required=True, help=self.help(name), **of)
        for name in (*self.inputs, *self.outputs):
            text = f"{'read' if name in self.inputs else 'write'}: {self.help(name)}"
            parser.add_argument(f"--{name.replace('_', '-')}", required=True, dest=name, metavar="PATH", help=text)
        return parser

    def help(self, name: str) -> str:
        """What the docstring, or `AXES`, says of a parameter."""
        found = re.search(rf"^{name}: (.*(?:\n  .*)*)", inspect.getdoc(self.function) or "", re.MULTILINE)
        return " ".join(found[1].split()) if found else AXES.get(name, "")


@contextmanager
def _building(path: Path, marker: Output) -> Iterator[Path]:
    """The path that a stage gets for an output; further processes of torchrun get one that is thrown away."""
    with ExitStack() as stack:
        if not first_process():
            path = Path(stack.enter_context(TemporaryDirectory())) / path.name
        partial = path if marker.in_place else stack.enter_context(building(path))
        if marker.folder:
            partial.mkdir()
        yield partial
        if marker.folder and marker.lineage and path.parts[0] == "data" and not (partial / lineage.FILE).is_file():
            raise RuntimeError(f"{path}: the stage recorded no lineage")


def stage(name: str) -> Callable[[Callable[P, str]], Stage[P]]:
    """Declare a function to be the stage `name`: DVC's `ner_train` is `ner.train`, the module stages/ner/train.py."""
    return lambda function: Stage(name, function)


def find(dvc_name: str) -> Stage[Any]:
    """The stage that dvc.yaml calls `dvc_name`."""
    name = dvc_name.replace("_", ".", 1)
    declared = vars(import_module(f"stages.{name}")).values()
    return next(each for each in declared if isinstance(each, Stage) and each.name == name)
