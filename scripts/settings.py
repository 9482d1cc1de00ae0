"""Write docs/settings.md, the reference of params.yaml, from the settings classes of the stages: `make deps`."""

import inspect
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, RootModel

from stages.runtime import markdown, params
from stages.runtime.errors import run
from stages.runtime.params import Section
from stages.runtime.stage import find

PAGE = Path("docs/settings.md")
INTRODUCTION = """# Settings

Every key of `params.yaml`, by section. A key without a default is required. The demo's values are in `params.yaml`,
those of the studies in `profiles/`. This page is written by `make deps` from the settings classes in `stages/`.

`ner.start` is read by DVC alone: the folder of `data/models` that holds the encoders from which NER models start,
`base/encoder` or, for those pretrained in the rephrasing branch, `pretrained/encoder/<mixture>`.
"""
HEAD = ("key", "value", "default", "meaning")
_PLAIN = {bool: "true or false", int: "integer", float: "number", str: "text", Any: "any value"}
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}

Model = type[BaseModel]


def main() -> None:
    """Update the page."""
    PAGE.write_text(Reference(params.read("dvc.yaml")["stages"], params.read()).page(), encoding="utf-8")


class Reference:
    """The documentation of the sections that the stages of a pipeline load, in the order of `content`'s keys."""

    def __init__(self, stages: Mapping[str, Any], content: Mapping[str, Any]) -> None:
        self.users: defaultdict[str, list[str]] = defaultdict(list)
        kinds: dict[str, Model] = {}
        for stage in stages:
            for kind in find(stage).settings.values():
                self.users[kind.at].append(stage)
                kinds.setdefault(kind.at, kind)
        # A section inside another one is documented there.
        outer = [at for at in kinds if not any(at.startswith(f"{other}.") for other in kinds)]
        order = list(content)
        self.sections = {at: kinds[at] for at in sorted(outer, key=lambda at: order.index(at.split(".")[0]))}
        # Titles of the classes that several others use, or that are sections too.
        using: defaultdict[Model, set[Model | str]] = defaultdict(set)
        waiting: list[tuple[Model, Model | str]] = [(kind, at) for at, kind in self.sections.items()]
        while waiting:
            kind, user = waiting.pop()
            if kind not in using:
                fields = kind.model_fields.values()
                waiting += [(one, kind) for field in fields for one in _models(field.annotation)]
                waiting += [(base, kind) for base in _bases(kind)]
            using[kind].add(user)
        titles = {kind: _title(at) for at, kind in self.sections.items()}
        several = sorted((kind for kind in using if len(using[kind]) > 1), key=lambda kind: kind.__name__)
        self.shared = {kind: titles.get(kind, kind.__name__) for kind in several}

    def page(self) -> str:
        """The whole page."""
        lines = INTRODUCTION.splitlines()
        for at, kind in self.sections.items():
            users = ", ".join(f"`{stage}`" for stage in self.users[at])
            lines += ["", f"## `{_title(at)}`", "", f"{_line(kind.__doc__)} Read by {users}.", *self.body(kind)]
        lines += ["", "## Shared blocks", "", "Keys that several sections have in common."]
        for kind, title in self.shared.items():
            if kind not in self.sections.values():
                lines += ["", f"### `{title}`", "", _line(kind.__doc__), *self.body(kind)]
        return "\n".join(lines) + "\n"

    def body(self, kind: Model) -> list[str]:
        """The keys of a section: a table, or one for each of the alternatives that it may be."""
        if not issubclass(kind, RootModel):
            return ["", *markdown.table(HEAD, self.rows(kind))]
        field = kind.model_fields["root"]
        lines = []
        for one in _models(field.annotation):
            key = str(field.discriminator or "kind")
            choice = f"`{key}: {get_args(one.model_fields[key].annotation)[0]}`"
            shared = one in self.shared
            lines += ["", f"{choice}: " + (f"the keys of {self.link(one)}." if shared else _line(one.__doc__))]
            lines += [] if shared else self.body(one)
        return lines or ["", f"Value: {self.value(field.annotation, field.metadata)}."]

    def rows(self, kind: Model, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
        """One row per key, those of inner sections included unless they are shared."""
        bases = [base for base in _bases(kind) if base in self.shared]
        for base in bases:
            yield f"`{prefix}…`", f"the keys of {self.link(base)}", "", _line(base.__doc__)
        inherited = {name for base in bases for name in base.model_fields} - {*inspect.get_annotations(kind)}
        for name, field in kind.model_fields.items():
            # A key with one possible value tells alternatives apart.
            if name in inherited or (
                get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1
            ):
                continue
            inner = _models(field.annotation)
            meaning = _line(field.description) or " ".join(_line(one.__doc__) for one in inner)
            yield f"`{prefix}{name}`", self.value(field.annotation, field.metadata), _default(field), meaning
            place = f"{prefix}{name}.<name>." if get_origin(field.annotation) is dict else f"{prefix}{name}."
            for one in inner:
                yield from () if one in self.shared else self.rows(one, place)

    def value(self, annotation: Any, metadata: Any = (), plural: bool = False) -> str:
        """The values that a key may have, in words."""
        origin, inner = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self.value(inner[0], inner[1:], plural)
        bounds = [
            f" {sign} {getattr(m, key):g}" for m in metadata for key, sign in _BOUNDS.items() if hasattr(m, key)
        ]
        end = ""
        if origin is Literal:
            text = ", ".join(f"`{value}`" for value in inner)
        elif origin in (Union, UnionType):
            text = " or ".join(self.value(one, plural=plural) for one in inner if one is not NoneType)
            end = " or null" if NoneType in inner else ""
        elif origin in (list, tuple):
            number = f"{len(inner)} " if origin is tuple else ""
            text = f"list of {number}{self.value(inner[0], plural=True)}"
        elif origin is dict:
            text = f"map of {self.value(inner[0], plural=True)} to {self.value(inner[1], plural=True)}"
        elif _models(annotation):
            text = self.link(annotation) if annotation in self.shared else "sections" if plural else "section"
        else:
            text = _PLAIN[annotation] + ("s" if plural and annotation in (int, float) else "")
        return text + ",".join(bounds) + end

    def link(self, kind: Model) -> str:
        """A link to the place where a shared block is documented."""
        title = self.shared[kind]
        anchor = re.sub(r"[^\w -]", "", title.lower())
        return f"[`{title}`](#{anchor})"


def _models(annotation: Any) -> list[Model]:
    """The settings classes that an annotation names."""
    own = [annotation] if inspect.isclass(annotation) and issubclass(annotation, BaseModel) else []
    return own + [one for inner in get_args(annotation) for one in _models(inner)]


def _bases(kind: Model) -> list[Model]:
    """The settings classes whose keys a class inherits directly."""
    return [base for base in kind.__bases__ if issubclass(base, Section) and base.model_fields]


def _default(field: Any) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    return "its defaults" if isinstance(value, BaseModel) else f"`{json.dumps(value, ensure_ascii=False)}`"


def _title(at: str) -> str:
    return re.sub(r"\{(\w+)\}", r"<\1>", at)


def _line(text: str | None) -> str:
    """The text on one line. `<` would begin an HTML element, except in code."""
    parts = " ".join((text or "").split()).split("`")
    return "`".join(part if place % 2 else part.replace("<", "&lt;") for place, part in enumerate(parts))


if __name__ == "__main__":
    run(main)
