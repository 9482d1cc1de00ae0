"""The first-party files that a module's behaviour depends on: the transitive closure of its imports and templates."""

import ast
from functools import cache
from pathlib import Path

# Modules that stages import but that cannot change their outputs, with the reason. Editing one re-runs nothing.
EXCEPTIONS = {
    "stages/runtime/console.py": "prints progress and results",
    "stages/runtime/devices.py": "chooses the GPU of a process; where a stage runs is no setting of what it computes",
    "stages/runtime/errors.py": "formats error messages; a stage that fails writes no output",
    "stages/runtime/imports.py": "lists the files whose edit makes scratch folders stale; an error costs a resume",
    "stages/runtime/quiet.py": "switches telemetry and the network off",
    "stages/runtime/scratch.py": "keeps finished parts of a killed run; a resumed result equals an uninterrupted one",
    "stages/runtime/mlflow_store.py": "writes to MLflow; nothing reads that back into an output",
    "stages/runtime/stage.py": "hands a stage its arguments, settings and paths; what it computes is elsewhere",
    "stages/runtime/tracking.py": "sends numbers to MLflow; nothing reads them back",
}


def closure(module: str | Path, root: str | Path = ".") -> list[str]:
    """Paths, relative to `root` and sorted, of `module`, all first-party modules it can import, and their templates.

    Imports inside functions count. A template is a file that a string constant `....j2` names, relative to the
    module's folder. `__init__.py` files are empty (a test checks that) and left out; so are EXCEPTIONS, unless one
    is `module` itself.
    """
    root = Path(root).resolve()
    start = Path(module).resolve().relative_to(root).as_posix()
    found: set[str] = set()
    waiting = {start}
    while waiting:
        path = waiting.pop()
        found.add(path)
        waiting |= _used(path, root) - found if path.endswith(".py") else set()
    return sorted(path for path in found if path == start or path not in EXCEPTIONS)


@cache
def _used(path: str, root: Path) -> set[str]:
    """First-party modules that one module imports anywhere in its code, and templates that it names."""
    names: set[str] = set()
    files: set[str] = set()
    for node in ast.walk(ast.parse((root / path).read_text(encoding="utf-8"), path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}:{node.lineno}: write the import with its full name")
            # `from stages.runtime import outputs` may name a module as well as a function.
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(".j2"):
            files.add((Path(path).parent / node.value).as_posix())
    files |= {f"{name.replace('.', '/')}.py" for name in names if name.startswith("stages.")}
    return {file for file in files if (root / file).is_file()}
