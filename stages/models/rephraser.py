"""Put an instruction-tuned model at one place: from a hub or a folder, or only a server's name for it.

DVC stage models_rephraser.
"""

import argparse
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, RootModel

from stages.models import place
from stages.models.place import Folder, Hub
from stages.shared import lineage, models, params
from stages.shared.console import say
from stages.shared.errors import run
from stages.shared.lineage import Read
from stages.shared.outputs import building, write_json


class Server(params.Section):
    """A model behind an address (docs/rephrasing.md), under the name that the server knows it by."""

    source: Literal["server"]
    name: str


class Rephraser(RootModel[Annotated[Hub | Folder | Server, Field(discriminator="source")]]):
    """A model that rewrites: section models.rephraser.<name>."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rephraser", required=True, help="name of the rephraser in params.yaml")
    parser.add_argument("--hub", required=True, help="folder of the models that `source: folder` names")
    parser.add_argument(
        "--out", required=True, help="folder to write: a Hugging Face model, or a name; and lineage"
    )
    args = parser.parse_args()
    model = params.load(Rephraser, f"models.rephraser.{args.rephraser}").root
    with building(args.out) as out:
        if isinstance(model, Hub):
            place.point(model, out)
        elif isinstance(model, Server):
            out.mkdir()
            write_json(out / models.SERVED, {"model": model.name})
            lineage.write(out, [Read(f"server:{model.name}", "public", "gradient")])
        else:
            place.copy(Path(args.hub) / model.path, out)
    say(f"{args.rephraser}: {model.source} model at {args.out}")


if __name__ == "__main__":
    run(main)
