from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import Field

from scripts import settings
from stages.runtime import params
from stages.runtime.params import Root, Section
from stages.runtime.stage import Stage


class Length(Section):
    """How long it takes."""

    steps: int = Field(ge=1)
    """Steps."""


class Tail(Section):
    """The end."""

    share: float = Field(default=0.5, gt=0, lt=1)
    """Share of `x<y` and <b>."""


class First(Length):
    """The first one."""

    at: ClassVar[str] = "part.first"

    names: list[str] | None = None
    """Names."""
    tail: Tail = Tail()


class Second(Length):
    """The second one."""

    at: ClassVar[str] = "part.second.{corpus}"

    kinds: dict[str, Literal["a", "b"]]
    """Kinds."""


class Near(Section):
    """A near one."""

    source: Literal["near"]


class Far(Section):
    """A far one."""

    source: Literal["far"]
    miles: tuple[float, float]
    """Least and most."""


class Either(Root[Annotated[Near | Far, Field(discriminator="source")]]):
    """Near or far."""

    at: ClassVar[str] = "place"


@pytest.fixture
def page(monkeypatch):
    def one(first: First, place: Either) -> str:
        return ""

    def two(corpus: str, second: Second) -> str:
        return ""

    stages = {"part_one": Stage("part.one", one), "part_two": Stage("part.two", two)}
    monkeypatch.setattr(settings, "find", stages.__getitem__)
    return settings.Reference(stages, {"place": {}, "part": {}}).page().splitlines()


def test_sections_come_in_the_order_of_params(page):
    headings = [line for line in page if line.startswith("##")]
    assert headings == [
        "## `place`",
        "## `part.first`",
        "## `part.second.<corpus>`",
        "## Shared blocks",
        "### `Length`",
    ]


def test_a_key_has_its_values_default_and_meaning(page):
    assert "| `names` | list of text or null | `null` | Names. |" in page
    assert "| `tail` | section | its defaults | The end. |" in page
    assert "| `tail.share` | number > 0, < 1 | `0.5` | Share of `x<y` and &lt;b>. |" in page
    assert "| `kinds` | map of text to `a`, `b` |  | Kinds. |" in page


def test_keys_that_sections_share_are_explained_once(page):
    assert page.count("| `steps` | integer ≥ 1 |  | Steps. |") == 1
    assert page.count("| `…` | the keys of [`Length`](#length) |  | How long it takes. |") == 2


def test_alternatives_are_told_apart(page):
    place = page[page.index("## `place`") :]
    assert place[2] == "Near or far. Read by `part_one`."
    assert "`source: far`: A far one." in place
    assert "| `miles` | list of 2 numbers |  | Least and most. |" in place
    assert not any(line.startswith("| `source`") for line in place)


def test_the_page_is_current_and_explains_every_key():
    stages = params.read("dvc.yaml")["stages"]
    page = settings.Reference(stages, params.read()).page()
    assert [line for line in page.splitlines() if line.startswith("|") and line.endswith("|  |")] == []
    assert settings.PAGE.read_text(encoding="utf-8") == page, "run `make deps`"
