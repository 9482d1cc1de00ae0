"""Which first-party files a module's behaviour depends on: the transitive closure of its imports."""

import ast
from functools import cache
from pathlib import Path

PACKAGE = "stages"

# Files a stage imports that cannot change what it writes, each with the reason. Editing one re-runs nothing.
EXCEPTIONS = {
    "stages/shared/console.py": "prints progress and results on the terminal",
    "stages/shared/errors.py": "words messages; a stage that fails writes nothing",
    "stages/shared/imports.py": "names the files whose edit makes scratch stale; a wrong list costs a resume",
    "stages/shared/quiet.py": "switches telemetry and network off",
    "stages/shared/scratch.py": "keeps finished chunks of a killed run; the resumed result equals the whole one",
    "stages/shared/tracking.py": "copies numbers to MLflow; nothing reads them back",
}


def closure(module: str | Path, root: str | Path = ".") -> list[str]:
    """Paths, relative to `root` and sorted, of `module` and of all first-party files that it can import.

    Imports inside functions count. `__init__.py` files are empty (a test holds that) and left out; so are
    EXCEPTIONS, unless one is `module` itself.
    """
    root = Path(root).resolve()
    start = Path(module).resolve().relative_to(root).as_posix()
    found: set[str] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting.extend(_imported(path, root))
    return sorted(path for path in found if path == start or path not in EXCEPTIONS)


@cache
def _imported(path: str, root: Path) -> frozenset[str]:
    """First-party files that one file imports anywhere in its code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((root / path).read_text(encoding="utf-8"), path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}:{node.lineno}: write the import with its full name")
            names.add(node.module or "")
            # `from stages.shared import notes` names a module as well as a function.
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    files = {f"{name.replace('.', '/')}.py" for name in names if name.split(".")[0] == PACKAGE}
    return frozenset(file for file in files if (root / file).is_file())
