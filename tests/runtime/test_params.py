"""Settings from params.yaml: exact values, and exact messages for what can be wrong."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from stages.runtime.errors import UserError
from stages.runtime.params import Root, Section, parse, read


class Inner(Section):
    share: float = Field(ge=0, le=1)
    """A share."""


class Outer(Section):
    steps: int
    inner: Inner = Inner(share=0.5)
    inners: dict[str, Inner] = Field(default_factory=dict)


class Folder(Section):
    format: Literal["folder"]
    path: str | None = None
    file: str | None = None
    inner: Inner | None = None

    @model_validator(mode="after")
    def _one(self):
        if self.path and self.file:
            raise ValueError("name either path or file")
        return self


class Table(Section):
    format: Literal["table"]
    columns: dict[str, int]


class Source(Root[Annotated[Folder | Table, Field(discriminator="format")]]):
    """One of two kinds of section."""


def load(kind, values, name="a.b"):
    content = values
    for part in reversed(name.split(".")):
        content = {part: content}
    return parse(kind, name, content)


def test_a_section_is_found_by_its_dotted_name_and_never_changes():
    outer = load(Outer, {"steps": 3, "inners": {"x": {"share": 0.25}}})
    assert outer == Outer(steps=3, inner=Inner(share=0.5), inners={"x": Inner(share=0.25)})
    assert load(Outer, {"steps": 3}, "a") == Outer(steps=3)
    with pytest.raises(ValidationError):
        outer.steps = 4


def test_an_empty_section_has_the_defaults():
    class Defaults(Section):
        steps: int = 7

    assert load(Defaults, None) == Defaults(steps=7)


def test_a_root_is_a_list_a_map_or_one_of_several_kinds():
    assert load(Root[list[str]], ["x"]).root == ["x"]
    assert load(Source, {"format": "folder", "path": "p"}).root == Folder(format="folder", path="p")
    assert load(Source, {"format": "table", "columns": {"id": 1}}).root == Table(format="table", columns={"id": 1})


@pytest.mark.parametrize(
    ("kind", "values", "messages"),
    [
        (Outer, {"steps": 1, "stpes": 2}, ["a.b.stpes is not a known key; did you mean steps?"]),
        (
            Outer,
            {"steps": 1, "inner": {"share": 0, "shore": 1}},
            ["a.b.inner.shore is not a known key; did you mean share?"],
        ),
        (Outer, {"steps": 1, "quite": 2}, ["a.b.quite is not a known key; remove it"]),
        (
            Outer,
            {"steps": "many"},
            ["a.b.steps: Input should be a valid integer, unable to parse string as an integer"],
        ),
        (Outer, {}, ["a.b.steps: Field required"]),
        (Outer, {"steps": 1, "inner": {"share": 2}}, ["a.b.inner.share: Input should be less than or equal to 1"]),
        (Outer, {"steps": 1, "inners": {"x": {}}}, ["a.b.inners.x.share: Field required"]),
        (Outer, {"stepz": 1}, ["a.b.steps: Field required", "a.b.stepz is not a known key; did you mean steps?"]),
        # The kind that was chosen is no part of the key.
        (Source, {"format": "folder", "pth": 1}, ["a.b.pth is not a known key; did you mean path?"]),
        (Source, {"format": "folder", "columns": {}}, ["a.b.columns is not a known key; remove it"]),
        (Source, {"format": "folder", "path": "p", "file": "f"}, ["a.b: name either path or file"]),
        (Source, {"format": "folder", "inner": {}}, ["a.b.inner.share: Field required"]),
        (Source, {"format": "table"}, ["a.b.columns: Field required"]),
        (
            Source,
            {"format": "table", "columns": {"id": "x"}},
            ["a.b.columns.id: Input should be a valid integer, unable to parse string as an integer"],
        ),
        (Source, {"format": "tabel"}, ["a.b.format: tabel is not one of folder, table"]),
        (Source, {"path": "p"}, ["a.b.format: Field required"]),
        (Root[list[str]], ["x", 1], ["a.b.1: Input should be a valid string"]),
    ],
)
def test_every_wrong_key_is_one_line_with_its_full_name(kind, values, messages):
    with pytest.raises(UserError) as caught:
        load(kind, values)
    assert str(caught.value).splitlines() == [f"params.yaml: {message}" for message in messages]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "params.yaml: a.b is missing; the top level has no keys"),
        ({"c": {}, "d": {}}, "params.yaml: a.b is missing; the top level has c, d"),
        ({"a": {"c": {}, "bb": {}}}, "params.yaml: a.b is missing; a has bb, c"),
        ({"a": 5}, "params.yaml: a.b is missing; a has no keys"),
    ],
)
def test_a_missing_section_is_named_with_what_there_is(content, message):
    with pytest.raises(UserError) as caught:
        parse(Outer, "a.b", content)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "p.yaml:4: not valid YAML (duplicate key c)"),
        ("a: 1\na: 2\n", "p.yaml:2: not valid YAML (duplicate key a)"),
        ("a: [1\nb: 2\n", "p.yaml:2: not valid YAML (did not find expected ',' or ']')"),
        ("- a\n", "p.yaml: expected sections of keys and values"),
        ("", "p.yaml: expected sections of keys and values"),
        (None, "p.yaml: no such file; run this from the project's root"),
    ],
)
def test_a_file_that_is_no_params_file(workdir, text, message):
    if text is not None:
        Path("p.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        read("p.yaml")
    assert str(caught.value) == message


def test_equal_keys_of_different_sections_and_merged_maps_are_no_duplicates(workdir):
    Path("params.yaml").write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n")
    assert read() == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}
