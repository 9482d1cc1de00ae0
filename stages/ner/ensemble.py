"""Train several annotators on the annotator's notes, to vote word by word (ner_ensemble)."""

from pathlib import Path

from pydantic import Field

from stages.ner.model import MEMBERS, Tagger
from stages.ner.train import Train, parser, strict_f1, train
from stages.shared import lineage, models, notes, params
from stages.shared.console import say
from stages.shared.errors import run
from stages.shared.outputs import building, write_json
from stages.shared.scratch import fingerprint, scratch
from stages.shared.tracking import track


class Ensemble(params.Section):
    """Section ner.ensemble."""

    members: int = Field(ge=2)


def main() -> None:
    args = parser(__doc__).parse_args()
    settings = params.load(Ensemble, "ner.ensemble")
    training = params.load(Train, "ner.train")
    corpus, fold, seed = Path(args.out).parts[-3:]
    base = models.of_cell(args.base, fold, seed)
    models.resolve(base)
    key = fingerprint(training, args.seed, inputs=[base, args.notes, args.select])
    axes = {"corpus": corpus, "fold": fold, "seed": seed}
    with (
        scratch("ner/ensemble", key) as checkpoints,
        track("ner/ensemble", f"{corpus} fold {fold} seed {seed}", settings, axes) as run_,
        building(args.out) as out,
    ):
        out.mkdir()
        single = []
        for member in range(1, settings.members + 1):
            own, kept = out / str(member), checkpoints / str(member)
            kept.mkdir(exist_ok=True)
            # No replicate's own model has the seed of a member.
            result = train(
                base, args.notes, args.select, training, 1000 * args.seed + member, kept, own, run_
            )
            single.append(result["curve"][-1]["select_f1"])
        write_json(out / MEMBERS, {"members": settings.members})
        lineage.write(out, lineage.read(own))
        together = strict_f1(Tagger.load(out), list(notes.read(args.select)))
        write_json(args.metrics, {"members": single, "ensemble": together})
    say(f"{corpus}: strict F1 on select notes {together} together, {single} alone")


if __name__ == "__main__":
    run(main)
