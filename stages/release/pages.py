"""Rendering of the templates: the HTML pages of release_report and the cards of release_package.

A page is one self-contained file. Its content security policy forbids every request, so a browser would refuse one
even if the page asked for it.
"""

from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def number(value: float | None, digits: int = 3) -> str:
    """The number with thousands separators, or a dash if it is undefined."""
    return "–" if value is None or value != value else f"{value:,.{digits}f}"


def render(template: str, **values: Any) -> str:
    """Render a template, named by its path below this package; in HTML every value is escaped.

    Modules name their templates, and those that these extend, as literals: that makes the files dependencies of the
    module in dvc.yaml.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
    )
    environment.globals["number"] = number
    return environment.get_template(template).render(values)
