"""Put an instruction-tuned model at one place: from a hub, a folder or pairs, or only a server's name for it.

DVC stage models_rephraser.
"""

import argparse
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, RootModel

from stages.models import instruct, place
from stages.models.instruct import Trained
from stages.models.place import Folder, Hub
from stages.shared import lineage, models, params
from stages.shared.console import say
from stages.shared.errors import run
from stages.shared.lineage import Read
from stages.shared.outputs import building, write_json
from stages.shared.scratch import fingerprint, scratch
from stages.shared.tracking import track


class Server(params.Section):
    """A model behind an address (docs/rephrasing.md), under the name that the server knows it by."""

    source: Literal["server"]
    name: str


class Prompts(RootModel[dict[str, str]]):
    """Section pretraining.rephrase.prompts."""


class Rephraser(RootModel[Annotated[Hub | Folder | Server | Trained, Field(discriminator="source")]]):
    """A model that rewrites: section models.rephraser.<name>."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rephraser", required=True, help="name of the rephraser in params.yaml")
    parser.add_argument("--hub", required=True, help="folder of the models that `source: folder` names")
    parser.add_argument(
        "--base", required=True, help="folder of the base decoders by corpus, for `source: trained`"
    )
    parser.add_argument("--pairs", required=True, help="folder of the pairs that `source: trained` names")
    parser.add_argument(
        "--out", required=True, help="folder to write: a Hugging Face model, or a name; and lineage"
    )
    args = parser.parse_args()
    model = params.load(Rephraser, f"models.rephraser.{args.rephraser}").root
    prompts = params.load(Prompts, "pretraining.rephrase.prompts").root
    with building(args.out) as out:
        if isinstance(model, Hub):
            place.point(model, out)
        elif isinstance(model, Server):
            out.mkdir()
            write_json(out / models.SERVED, {"model": model.name})
            lineage.write(out, [Read(f"server:{model.name}", "public", "gradient")])
        elif isinstance(model, Trained):
            base = Path(args.base) / model.corpus
            folders = [Path(args.pairs) / name for name in model.pairs]
            key = fingerprint(model, prompts, inputs=[base, *folders])
            with (
                scratch("models/rephraser", key) as checkpoints,
                track("models/rephraser", args.rephraser, model) as run_,
            ):
                instruct.train(model, base, folders, prompts, checkpoints, out, run_)
        else:
            place.copy(Path(args.hub) / model.path, out)
    say(f"{args.rephraser}: {model.source} model at {args.out}")


if __name__ == "__main__":
    run(main)
