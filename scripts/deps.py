"""Write the code each stage depends on into dvc.yaml, and the stages into README.md: `make deps`.

Only lines `- stages/...` under `deps:` are written; all others, comments and order included, stay as they are.
"""

import re
import sys
from pathlib import Path

import yaml

from stages.shared.imports import closure

PIPELINE = Path("dvc.yaml")
README = Path("README.md")
TABLE = re.compile(r"(?<=<!-- stages -->\n).*?(?=<!-- /stages -->)", re.DOTALL)


def main() -> None:
    """Update both files; exit with 1 if a stage's module is missing."""
    text = PIPELINE.read_text(encoding="utf-8")
    stages = yaml.safe_load(text)["stages"]
    missing = [module for module in map(module_of, stages) if not Path(module).is_file()]
    if missing:
        sys.exit(f"error: {PIPELINE}: no such module: {', '.join(missing)}")
    PIPELINE.write_text(with_code(text), encoding="utf-8")
    if README.is_file():
        content = README.read_text(encoding="utf-8")
        README.write_text(TABLE.sub(lambda _: table(stages), content), encoding="utf-8")


def module_of(stage: str) -> str:
    """The file of a stage: `ner_train` is stages/ner/train.py."""
    part, name = stage.split("_", 1)
    return f"stages/{part}/{name}.py"


def with_code(text: str) -> str:
    """The text of dvc.yaml with the code dependencies of every stage as its imports are now."""
    # Blocks: what stands before the first stage, then one per stage, the last with all that follows `stages:`.
    blocks = re.split(r"(?m)^(?=  \w+:\n)", text)
    return blocks[0] + "".join(_with_code(block) for block in blocks[1:])


def table(stages: dict) -> str:
    """A Markdown table of the stages: name, what it does, where."""
    rows = [
        f"| `{name}` | {stage['desc']} | [{module_of(name)}]({module_of(name)}) |"
        for name, stage in stages.items()
    ]
    return "\n".join(["| stage | what it does | code |", "|---|---|---|", *rows]) + "\n"


def _with_code(block: str) -> str:
    name = block.strip().split(":", 1)[0]
    code = "".join(f"    - {path}\n" for path in closure(module_of(name)))
    block = re.sub(r"(?m)^    - stages/.*\n", "", block)
    if "\n    deps:\n" not in block:
        block = re.sub(r"(?m)^    (?=params:|outs:)", "    deps:\n    ", block, count=1)
    # After the last hand-written dependency.
    return re.sub(
        r"(?m)^    deps:\n(?:    - (?!\s).*\n)*", lambda found: found.group() + code, block, count=1
    )


if __name__ == "__main__":
    main()
