"""Provide a model that rewrites notes (DVC stage `models_rephraser`)."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from stages.generation.requests import TEMPLATE
from stages.lm import models
from stages.models import instruct, sources
from stages.models.instruct import Trained
from stages.models.sources import Folder, Hub, Wheels
from stages.runtime import lineage
from stages.runtime.outputs import write_json
from stages.runtime.params import Root, Section
from stages.runtime.stage import InFolder, OutFolder, Run, stage


class Chat(Section):
    """How a model that was trained elsewhere is asked."""

    template: dict[str, Any] = Field(default={})
    """Arguments of its chat template, such as {enable_thinking: false}, or {date_string: 26 Nov 2026} for a template
    that would print the date of the day and so give other answers tomorrow."""


class HubChat(Hub, Chat):
    """A model of the Hugging Face hub at one commit."""


class FolderChat(Folder, Chat):
    """A model in a folder below data/hub, in Hugging Face's format with safetensors weights."""


class WheelsChat(Wheels, Chat):
    """A public model inside wheels of the package registry."""


class Server(Chat):
    """A model behind a server (docs/rephrasing.md)."""

    source: Literal["server"]
    name: str
    """Name by which the server knows the model."""
    version: str = ""
    """Which weights, quantisation and server settings stand behind that name today, in your own words: with another
    version, nothing that was answered before is used again."""
    public: bool = False
    """Declares that the model has read public text only. Otherwise it counts as trained on real notes."""


class Prompts(Root[dict[str, str]]):
    """What rephrasers are asked, by the prompt's name."""

    at: ClassVar[str] = "pretraining.rephrase.prompts"


class Rephraser(Root[Annotated[HubChat | FolderChat | WheelsChat | Server | Trained, Field(discriminator="source")]]):
    """Where an instruction-tuned model that rewrites comes from: the hub, a folder, a server, or a training here."""

    at: ClassVar[str] = "models.rephraser.{rephraser}"


@stage("models.rephraser")
def provide(
    rephraser: str,
    hub: InFolder,
    base: InFolder,
    pairs: InFolder,
    out: OutFolder,
    settings: Rephraser,
    prompts: Prompts,
    run: Run,
) -> str:
    """Provide a model that rewrites: from the hub, a folder or a server, or trained on pairs of texts.

    hub: folder of the models that `source: folder` names.
    base: folder of the base decoders by corpus, for `source: trained`.
    pairs: folder of the pairs that `source: trained` names.
    out: Hugging Face model or the name of a served one, and lineage.json.
    """
    model = settings.root
    if isinstance(model, Hub | Folder | Wheels):
        sources.fetch(model, hub, out)
    elif isinstance(model, Server):
        write_json(out / models.SERVED, {"model": model.name, "version": model.version})
        lineage.write(out, sources.of_unknown(f"server:{model.name}", model.public))
    else:
        folders = [pairs / name for name in model.pairs]
        instruct.train(model, base / model.corpus, folders, prompts.root, out, run)
    if isinstance(model, Chat) and model.template:
        write_json(out / TEMPLATE, model.template)
    return f"{model.source} model"


if __name__ == "__main__":
    provide.main()
