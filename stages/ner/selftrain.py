"""Train an annotator once more, on its notes and on invented ones that a first one has tagged (ner_selftrain)."""

from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Literal

from stages.ner.model import Tagger
from stages.ner.train import Train, last_f1, parser, train
from stages.shared import lineage, models, notes, params
from stages.shared.console import progress, say
from stages.shared.errors import run
from stages.shared.outputs import building, write_json
from stages.shared.scratch import fingerprint, scratch
from stages.shared.tracking import track
from stages.synthesis.annotate import Annotate, confident


class Selftrain(Annotate):
    """Section ner.selftrain: what the first annotator is unsure of is dropped as synthesis_annotate does."""

    teacher: Literal["real", "annotator", "ensemble"]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--teacher", required=True, help="folder of the first annotator")
    arguments.add_argument(
        "--invented", required=True, help="note table to train on too, once the teacher tagged it"
    )
    args = arguments.parse_args()
    settings = params.load(Selftrain, "ner.selftrain")
    training = params.load(Train, "ner.train")
    corpus, fold, seed = Path(args.out).parts[-3:]
    base = models.of_cell(args.base, fold, seed)
    models.resolve(base)
    inputs = [base, args.teacher, args.notes, args.invented, args.select]
    key = fingerprint(settings, training.model_dump(mode="json"), args.seed, inputs=inputs)
    axes = {"corpus": corpus, "fold": fold, "seed": seed}
    with (
        scratch("ner/selftrain", key) as kept,
        track("ner/selftrain", f"{corpus} fold {fold} seed {seed}", settings, axes) as run_,
        building(args.out) as out,
    ):
        both = kept / "notes"
        if not both.exists():
            with building(both) as table:
                dropped = write(table, args.notes, args.invented, args.teacher, settings)
            run_.metrics({name: dropped[name] for name in ("notes", "spans", "dropped", "lines")})
        checkpoints = kept / "checkpoints"
        checkpoints.mkdir(exist_ok=True)
        result = train(base, both, args.select, training, args.seed, checkpoints, out, run_)
        write_json(args.metrics, result)
    say(f"{corpus}: {result['notes']} notes, strict F1 on select notes {last_f1(result)}")


def write(out: Path, gold: str, invented: str, teacher: str, settings: Selftrain) -> Counter[str]:
    """Write a note table of the gold notes and of the invented ones as the teacher tags them; return its counts.

    One round of self-training (Yarowsky 1995) on text that the generator wrote instead of on untagged real notes.
    """
    counts: Counter[str] = Counter()
    texts = progress(notes.read(invented), total=notes.count(invented), label="tagging")
    tagged = confident(Tagger.load(teacher).tag(texts), settings, counts)
    notes.write(out, chain(notes.read(gold), tagged))
    tags = lineage.through(lineage.read(teacher), "tags")
    lineage.write(out, lineage.read(gold) | lineage.read(invented) | tags)
    return counts


if __name__ == "__main__":
    run(main)
