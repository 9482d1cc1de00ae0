"""Put a de-identification model into an MLflow model that others can run. DVC stage release_model.

Refuses a model in whose lineage a gradient or a vocabulary has read real notes (METHOD.md, section 1).
"""

import argparse
import shutil
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

from pydantic import RootModel

from stages.ner.model import Tagger
from stages.release import deidentify
from stages.shared import lineage, params
from stages.shared.console import say
from stages.shared.errors import UserError, run
from stages.shared.imports import EXCEPTIONS, closure
from stages.shared.outputs import building, write_json

# What the code that travels with the model needs, at the versions that it was made with.
_NEEDS = ("faker", "mlflow", "numpy", "pandas", "polars", "pyarrow", "pydantic", "pyyaml", "tokenizers", "torch",
          "tqdm", "transformers")  # fmt: skip


class Model(params.Section):
    """Section release.model."""

    policy: str
    policies: dict[str, dict[deidentify.Kind, deidentify.Action]]
    real_weights: bool


class Language(RootModel[deidentify.Language]):
    """Section corpora.<corpus>.language."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="name of the corpus in params.yaml")
    parser.add_argument("--model", required=True, help="folder of a model written by ner_train")
    parser.add_argument("--out", required=True, help="folder to write: an MLflow model, and lineage.json")
    args = parser.parse_args()
    settings = params.load(Model, "release.model")
    kinds = params.load(deidentify.Kinds, f"corpora.{args.corpus}.kinds").root
    language = params.load(Language, f"corpora.{args.corpus}.language").root
    if settings.policy not in settings.policies:
        known = ", ".join(sorted(settings.policies))
        raise UserError(f"params.yaml: release.model.policy: no policy {settings.policy}; there are {known}")
    reads = lineage.read(args.model)
    barring = sorted({entry.notes for entry in lineage.bars_release(reads)})
    if barring and not settings.real_weights:
        raise UserError(
            f"{args.model}: its weights or vocabulary have read real notes ({', '.join(barring)}), so it must not "
            "leave the building; release a synthetic arm's model (grid.released), or take it on you with "
            "release.model.real_weights: true"
        )
    labels = Tagger.load(args.model).labels
    for name, policy in settings.policies.items():
        deidentify.check(kinds, policy, labels, f"release.model.policies.{name}")
    record = {
        "language": language,
        "kinds": kinds,
        "policy": settings.policy,
        "policies": settings.policies,
        "real_weights": bool(barring),
    }
    with building(args.out) as out:
        save(args.model, record, out)
        lineage.write(out, reads)
    say(f"{args.corpus}: `mlflow models predict --env-manager local -t csv -m {args.out} -i notes.csv`")


def save(model: str | Path, record: dict, out: Path) -> None:
    """Write the MLflow model: weights, settings, the code that reads them, pinned requirements and a signature."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    from stages.release import served

    optional = [ColSpec("string", name, required=False) for name in ("note_id", "patient")]
    signature = ModelSignature(
        inputs=Schema([ColSpec("string", "text"), *optional]),
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
        for package in {path.parent for path in code.rglob("*.py")} | {code}:
            (package / "__init__.py").touch()
        # MLflow asks for an example to keep beside the model. There is no note that could be it.
        warnings.filterwarnings("ignore", message=".*An input example was not provided")
        mlflow.pyfunc.save_model(
            path=out,
            python_model=served.__file__,
            artifacts={"model": str(weights)},
            code_paths=[str(code)],
            pip_requirements=[f"{name}=={version(name)}" for name in _NEEDS],
            signature=signature,
        )


if __name__ == "__main__":
    run(main)
