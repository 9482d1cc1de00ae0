"""Running stages in tests as their command lines do: arguments checked, params.yaml read, outputs put in place."""

from pathlib import Path
from typing import Any

import yaml

from stages.runtime.stage import Stage


def run(stage: Stage, **arguments: Any) -> None:
    """Run a stage in the working directory through its own parser; UserError as a user would meet it."""
    words = [word for name, value in arguments.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    stage.run(vars(stage.parser().parse_args(words)))


def write_params(content: dict[str, Any]) -> None:
    """params.yaml of the working directory."""
    Path("params.yaml").write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
