"""Package a de-identification model as an MLflow model that others can run (DVC stage `release_model`)."""

import shutil
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Literal

from stages.ner.tagger import Tagger
from stages.notes.labels import Kind, Labels
from stages.release import deidentify
from stages.release.conditions import Weights
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.imports import EXCEPTIONS, closure
from stages.runtime.outputs import write_json
from stages.runtime.params import Root
from stages.runtime.stage import InFolder, OutFolder, stage

# What the code that travels with the model imports; pinned to the versions installed here.
_REQUIREMENTS = (
    "babel", "faker", "filelock", "mlflow", "numpy", "pandas", "polars", "pyarrow", "pydantic", "python-dateutil",
    "pyyaml", "tokenizers", "torch", "tqdm", "transformers",
)  # fmt: skip


class Model(Weights):
    """What the packaged model does with the PII that it finds."""

    at: ClassVar[str] = "release.model"

    policy: str
    """Name of the policy that the model applies unless a request names another."""
    policies: dict[str, dict[Kind, deidentify.Action]]
    """The policies by name: what each does with every kind of PII. `keep` and `mask` are defined for all kinds,
    `generalise` for date, age and zip, `shift` for date, and `surrogate` for all but date, age, sex and other.
    docs/release.md lists the classes of their laws that no label of ours covers."""


class Language(Root[Literal["es", "sv", "en"]]):
    """The language in which dates are read and surrogates are invented."""

    at: ClassVar[str] = "catalog.{corpus}.language"


@stage("release.model")
def package(
    corpus: str,
    arm: str,
    fold: int,
    seed: int,
    model: InFolder,
    out: OutFolder,
    settings: Model,
    labels: Labels,
    language: Language,
) -> str:
    """Package a model for MLflow. Refuses one whose weights or vocabulary have read real notes.

    model: the model, as ner_train writes it.
    out: the MLflow model, and lineage.json.
    """
    if settings.policy not in settings.policies:
        known = ", ".join(sorted(settings.policies))
        raise UserError(f"params.yaml: release.model.policy: no policy {settings.policy}; there are {known}")
    reads = lineage.read(model)
    if problems := settings.problems(reads):
        raise UserError(f"{model}: {problems[0]}")
    found = Tagger.load(model).labels
    for name, policy in settings.policies.items():
        deidentify.check(labels.root, policy, found, f"release.model.policies.{name}")
    record = {
        "language": language.root, "kinds": labels.root, "policy": settings.policy, "policies": settings.policies,
        "real_weights": bool(lineage.bars_release(reads)),
    }  # fmt: skip
    save(model, record, out)
    lineage.write(out, reads)
    return "packaged for MLflow; docs/release.md says how to run it"


def save(model: Path, record: dict[str, Any], out: Path) -> None:
    """Write the MLflow model: weights, `record`, the code that serves them, pinned requirements and a signature."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    from stages.release import served

    # Without a schema of inputs: where an input does not fit, MLflow quotes it. `served` checks them itself.
    signature = ModelSignature(
        outputs=Schema([ColSpec("string", "text"), ColSpec("string", "spans")]),
        params=ParamSchema([ParamSpec("policy", "string", record["policy"])]),
    )
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "model"
        shutil.copytree(model, weights)
        write_json(weights / served.SETTINGS, record)
        code = Path(folder) / "code" / "stages"
        root = Path(served.__file__).parents[2]
        for path in (*closure(served.__file__, root), *EXCEPTIONS):
            target = code.parent / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / path, target)
        for package_folder in {path.parent for path in code.rglob("*.py")} | {code}:
            (package_folder / "__init__.py").touch()
        # MLflow asks for an example of an input to keep beside the model; no real note may be that.
        warnings.filterwarnings("ignore", message=".*An input example was not provided")
        mlflow.pyfunc.save_model(
            path=out,
            python_model=served.__file__,
            artifacts={"model": str(weights)},
            code_paths=[str(code)],
            pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
            signature=signature,
        )
    record_no_place(out)


def record_no_place(out: Path) -> None:
    """Replace the addresses from which MLflow copied the artifacts and the code by their paths in the package."""
    from mlflow.models import Model as Package

    metadata = Package.load(str(out))
    flavor = metadata.flavors["python_function"]
    flavor["model_code_path"] = Path(flavor["model_code_path"]).name
    for artifact in flavor["artifacts"].values():
        artifact["uri"] = artifact["path"]
    metadata.save(str(out / "MLmodel"))


if __name__ == "__main__":
    package.main()
