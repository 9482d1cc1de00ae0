"""Sections of params.yaml as checked, frozen records."""

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from stages.shared.errors import UserError


class Section(BaseModel):
    """Base of every params class: an unknown key is an error, and a loaded section never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


S = TypeVar("S", bound=Section)
# libyaml reads 500 lines in 10 ms, Python's own parser in 100, and a stage reads them once per section.
_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(section: type[S], name: str, path: str | Path = "params.yaml") -> S:
    """The section `name` (dotted) of params.yaml as a `section`; UserError names the key that is wrong."""
    return parse(section, name, raw(path), path)


def raw(path: str | Path = "params.yaml") -> dict[str, Any]:
    """All of params.yaml, unchecked."""
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), _YAML)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run stages from the project's root") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise UserError(f"{path}:{line}: not valid YAML ({error.problem})") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected sections of keys and values")
    return content


def parse(section: type[S], name: str, content: dict[str, Any], path: str | Path = "params.yaml") -> S:
    """The section `name` of an already read params.yaml."""
    values: Any = content
    reached: list[str] = []
    for part in name.split("."):
        if not isinstance(values, dict) or part not in values:
            known = sorted(map(str, values)) if isinstance(values, dict) else []
            where = ".".join(reached) or "the top level"
            raise UserError(f"{path}: {name} is missing; {where} has {', '.join(known) or 'no keys'}")
        values = values[part]
        reached.append(part)
    try:
        return section.model_validate(values if values is not None else {})
    except ValidationError as error:
        raise UserError(
            "\n".join(_explain(section, name, path, detail) for detail in error.errors())
        ) from None


def _explain(section: type[Section], name: str, path: str | Path, detail: Any) -> str:
    key = ".".join([name, *(str(part) for part in detail["loc"])])
    if detail["type"] == "extra_forbidden":
        guess = difflib.get_close_matches(str(detail["loc"][-1]), _field_names(section), n=1)
        remedy = f"did you mean {guess[0]}?" if guess else "remove it"
        return f"{path}: {key} is not a known key; {remedy}"
    return f"{path}: {key}: {detail['msg']}"


def _field_names(section: type[BaseModel]) -> set[str]:
    """Names of the fields of a section and of the sections inside it."""
    names: set[str] = set()
    for field_name, field in section.model_fields.items():
        names.add(field_name)
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                names |= _field_names(kind)
    return names
