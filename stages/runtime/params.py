"""Sections of params.yaml as validated, immutable settings."""

import difflib
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, ValidationError

from stages.runtime.errors import UserError

T = TypeVar("T")
S = TypeVar("S", bound=BaseModel)
Share = Annotated[float, Field(ge=0, le=1)]


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression ({error})") from None
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]


class Section(BaseModel):
    """Base of every settings class. Unknown keys are errors, and a loaded section never changes.

    A class that a stage asks for has `at`, the section it is loaded from; axes of the cell may stand in it, as in
    `catalog.{corpus}.raw`. The string below a field documents it, in docs/settings.md too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Root(RootModel[T], Generic[T]):
    """Base of a settings class for a section that is not a fixed set of keys: a list, a map, one of several kinds."""

    model_config = ConfigDict(frozen=True)


# libyaml is ten times as fast as PyYAML's own parser.
_Fast: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Fast):
    """Refuses duplicate keys, of which YAML libraries silently keep the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key.value}", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(path: str | Path = "params.yaml") -> dict[str, Any]:
    """A YAML file's mapping, not validated. UserError if it is missing, malformed or has a duplicate key."""
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run this from the project's root") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise UserError(f"{path}:{line}: not valid YAML ({error.problem})") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected sections of keys and values")
    return content


def parse(section: type[S], name: str, content: Mapping[str, Any], path: str | Path = "params.yaml") -> S:
    """The section `name` (dotted) of the content of params.yaml; UserError names every wrong key."""
    values: Any = content
    parts = name.split(".")
    for depth, part in enumerate(parts):
        if not isinstance(values, dict) or part not in values:
            known = ", ".join(sorted(map(str, values))) if isinstance(values, dict) else ""
            above = ".".join(parts[:depth]) or "the top level"
            raise UserError(f"{path}: {name} is missing; {above} has {known or 'no keys'}")
        values = values[part]
    try:
        return section.model_validate(values if values is not None else {})
    except ValidationError as error:
        found = (_explain(section, name, values, detail) for detail in error.errors())
        raise UserError("\n".join(f"{path}: {line}" for line in found)) from None


def _explain(section: type[BaseModel], name: str, values: Any, detail: Any) -> str:
    """One of pydantic's errors as a line that begins with the key it is about."""
    key, context = name, detail.get("ctx", {})
    for part in detail["loc"]:
        # The location also has parts that are no keys, such as the kind that was chosen of a union.
        with suppress(KeyError, IndexError, TypeError):
            values = values[part]
            key += f".{part}"
    if detail["type"] == "missing":
        return f"{key}.{detail['loc'][-1]}: {detail['msg']}"
    if detail["type"] == "extra_forbidden":
        schema, unknown = section.model_json_schema(), detail["loc"][-1]
        inside = (schema, *schema.get("$defs", {}).values())
        fields = {field for part in inside for field in part.get("properties", {})}
        guess = difflib.get_close_matches(unknown, fields - {unknown}, n=1)
        return f"{key} is not a known key; {f'did you mean {guess[0]}?' if guess else 'remove it'}"
    if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
        tag, known = context["discriminator"].strip("'"), context.get("expected_tags", "").replace("'", "")
        return f"{key}.{tag}: " + (f"{context['tag']} is not one of {known}" if known else "Field required")
    return f"{key}: {detail['msg'].removeprefix('Value error, ')}"
