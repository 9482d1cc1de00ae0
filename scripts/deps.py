"""Write the code each stage depends on into dvc.yaml, and the table of stages into docs/architecture.md: `make deps`.

Only the lines `- stages/...` under `deps:` are written; every other line of dvc.yaml stays as it is.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from stages.runtime import markdown, params
from stages.runtime.errors import UserError, run
from stages.runtime.imports import closure

PIPELINE = Path("dvc.yaml")
PAGE = Path("docs/architecture.md")
TABLE = re.compile(r"(?<=<!-- stages -->\n).*?(?=<!-- /stages -->)", re.DOTALL)


def main() -> None:
    """Update both files; UserError if a stage's module is missing."""
    stages = params.read(PIPELINE)["stages"]
    missing = [module for module in map(module_of, stages) if not Path(module).is_file()]
    if missing:
        raise UserError(f"{PIPELINE}: no such module: {', '.join(missing)}")
    PIPELINE.write_text(with_code(PIPELINE.read_text(encoding="utf-8")), encoding="utf-8")
    PAGE.write_text(TABLE.sub(lambda _: table(stages), PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def module_of(stage: str) -> str:
    """The file of a stage: stages/ner/train.py for `ner_train`."""
    return f"stages/{stage.replace('_', '/', 1)}.py"


def as_folders(files: Iterable[str]) -> list[str]:
    """Sorted paths that stand for exactly `files`: a folder replaces them if it holds no other file.

    Fewer entries save DVC time. Empty `__init__.py` files and byte code, which DVC is told to ignore, do not count.
    """
    files = set(files)

    def counts(path: Path) -> bool:
        empty_init = path.name == "__init__.py" and not path.stat().st_size
        return path.is_file() and "__pycache__" not in path.parts and not empty_init

    def whole(folder: Path) -> bool:
        return files.issuperset(path.as_posix() for path in folder.rglob("*") if counts(path))

    def written(file: Path) -> Path:
        # From the outermost folder below stages/ inwards.
        return next(filter(whole, [*file.parents][-3::-1]), file)

    return sorted({written(Path(file)).as_posix() for file in files})


def with_code(text: str) -> str:
    """The text of dvc.yaml with the code dependencies that every stage has now: its closure."""
    # The text before the first stage, then one block per stage.
    head, *blocks = re.split(r"(?m)^(?=  \w+:\n)", text)
    return head + "".join(map(_with_code, blocks))


def table(stages: Mapping[str, Mapping[str, str]]) -> str:
    """A Markdown table of the stages of dvc.yaml: name, description, module."""
    rows = [(f"`{name}`", stage["desc"], f"[{module_of(name)}]({module_of(name)})") for name, stage in stages.items()]
    return "\n".join(markdown.table(("stage", "what it does", "code"), rows)) + "\n"


def _with_code(block: str) -> str:
    module = module_of(block.strip().split(":", 1)[0])
    code = "".join(f"    - {path}\n" for path in as_folders(closure(module)))
    block = re.sub(r"(?m)^    - stages/.*\n", "", block)
    if "\n    deps:\n" not in block:
        block = re.sub(r"(?m)^    (?=params:|outs:)", "    deps:\n    ", block, count=1)
    # After the last dependency written by hand.
    return re.sub(r"(?m)^    deps:\n(?:    - (?!\s).*\n)*", lambda found: found.group() + code, block, count=1)


if __name__ == "__main__":
    run(main)
