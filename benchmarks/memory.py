"""Peak memory of ingest, generation and annotation at N and 10 N notes, on invented notes and tiny models."""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

import yaml

from benchmarks.common import RESULTS, markdown, report
from stages.runtime.errors import UserError, run

ROOT = Path(__file__).resolve().parents[1]
TIMES = 10
CORPUS = "bench"
SENTENCES = (
    "Acude por dolor en {a} desde hace {n} días.",
    "Se pauta reposo y control en {n} semanas por {b}.",
    "Refiere {a} sin {b} acompañante.",
    "La exploración de {b} no muestra {a} ni otros hallazgos.",
    "Analítica con {n} mg/dl, sin cambios respecto a {a}.",
)
THINGS = ("tórax", "rodilla", "fiebre", "tos seca", "mareo", "cefalea", "náuseas", "edema", "disnea", "espalda")
NAMES = ("Ana Ruiz", "Luis Mora", "Eva Gil", "Juan Peña", "Sara Vidal")
# Tokens sampled for a text.
TOKENS = 64

SETTINGS: dict[str, Any] = {
    "generate": {
        "prompt": "begin_of_note",
        "temperature": 1.0,
        "top_p": 0.95,
        "max_new_tokens": TOKENS,
        "volume": 1.0,
        "attempts": 10,
        # A random model ends few texts: keep all but the repeated ones.
        "drop": {"unfinished": False, "min_words": 1, "repetition": 1.0},
    },
    "annotate": {"confidence": None, "drop": "note"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", type=int, default=400, help="notes of the smaller run")
    parser.add_argument("--out", default=RESULTS, help="folder for the record")
    args = parser.parse_args()
    sizes = (1, args.notes, TIMES * args.notes)
    with tempfile.TemporaryDirectory() as folder:
        # A child's peak counts what its parent held when it was started, so libraries are loaded in children only.
        maker = multiprocessing.get_context("fork").Process(target=make, args=(Path(folder), sizes))
        maker.start()
        maker.join()
        if maker.exitcode:
            raise UserError("the inputs could not be made")
        peaks = {
            name: [peak(Path(folder), commands(name, size)) for size in sizes]
            for name in ("ingest brat", "ingest jsonl", "generation", "annotation")
        }
    result = {
        "peaks": {name: summary(values, sizes) for name, values in peaks.items()},
        "settings": {"notes": args.notes, "times": TIMES, "tokens_of_an_invented_note": TOKENS},
    }
    report("memory", table(result, args.notes), result, args.out)


def summary(peaks: list[int], sizes: tuple[int, ...]) -> dict[str, Any]:
    """Peaks in MiB of the run on one note, on N and on 10 N; ratios; and kB that a further note costs."""
    one, small, large = peaks
    return {
        "mib": [round(value / 2**20, 1) for value in peaks],
        "ratio": round(large / small, 3),
        "ratio_above_one_note": round((large - one) / (small - one), 2) if small > one else None,
        "kilobytes_a_note": round((large - small) / 1000 / (sizes[2] - sizes[1]), 2),
    }


def commands(name: str, size: int) -> list[str]:
    """The arguments of a stage's run on `size` notes."""
    out = f"out/{name.replace(' ', '-')}/{size}/0/1"
    if name.startswith("ingest"):
        raw = f"raw/{name.removeprefix('ingest ')}"
        return [
            *("stages.corpora.prepare", "--corpus", f"{name.removeprefix('ingest ')}-{size}"),
            *("--raw", raw, "--out", out, "--report", "report.json"),
        ]
    cell = ("--corpus", CORPUS, "--fold", "0", "--seed", "1", "--out", out)
    if name == "generation":
        # The volume is as many words as `size` invented notes have.
        return [
            *("stages.synthesis.generate", *cell, "--base", "decoder", "--model", "adapted"),
            *("--prompts", "table/1", "--train", f"volume/{size}", "--metrics", "report.json"),
        ]
    return ["stages.synthesis.annotate", *cell, "--annotator", "tagger", "--notes", f"table/{size}"]


def peak(folder: Path, command: list[str], changes: Mapping[str, str] = MappingProxyType({})) -> int:
    """Most resident bytes of `python -m command` in `folder`, with `changes` of the environment.

    UserError if it fails.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DEIDSYNTH_TRACKING": "off",
        "DVC_ROOT": str(folder),
        # The CPU's memory is what is measured.
        "DEIDSYNTH_DEVICE": "cpu",
        **changes,
    }
    with (folder / "stderr").open("w+") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            errors.seek(0)
            raise UserError(f"{' '.join(command[:1])} failed:\n{errors.read()[-2000:]}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def make(folder: Path, sizes: tuple[int, ...]) -> None:
    """Inputs of all runs below `folder`: raw corpora, note tables, params and random models."""
    from stages.lm import models
    from stages.models import tokenizers
    from stages.notes import note_table, tags
    from stages.notes.note_table import Note, Span
    from stages.runtime import lineage
    from stages.runtime.lineage import Read
    from stages.runtime.outputs import write_json

    read = [Read("bench", "invented", "content")]
    catalog: dict[str, Any] = {}
    for size in sizes:
        texts = [text(number) for number in range(size)]
        brat = folder / "raw" / "brat" / str(size)
        brat.mkdir(parents=True)
        notes = []
        rows = []
        for number, (content, spans) in enumerate(texts):
            (brat / f"note-{number:06d}.txt").write_text(content, encoding="utf-8", newline="")
            (brat / f"note-{number:06d}.ann").write_text(
                "".join(
                    f"T{index}\t{label} {start} {end}\t{content[start:end]}\n"
                    for index, (start, end, label) in enumerate(spans, 1)
                ),
                encoding="utf-8",
            )
            rows.append(json.dumps({"id": f"note-{number:06d}", "text": content, "spans": spans}))
            notes.append(Note(f"n{number}", f"n{number}", content, tuple(Span(*span) for span in spans)))
        (folder / "raw" / "jsonl").mkdir(exist_ok=True)
        (folder / "raw" / "jsonl" / f"{size}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
        labels = {"labels": {"PATIENT": "person", "AGE": "age"}}
        fields = {"id": "id", "text": "text", "spans": "spans"}
        catalog[f"brat-{size}"] = {"raw": {"format": "brat", "path": str(size)}, **labels}
        catalog[f"jsonl-{size}"] = {"raw": {"format": "jsonl", "path": f"{size}.jsonl", "fields": fields}, **labels}
        note_table.write(folder / "table" / str(size), notes)
        lineage.write(folder / "table" / str(size), read)
        # About as many words as a random model writes into a text.
        volume = [Note(str(number), str(number), "palabra " * (TOKENS // 6)) for number in range(size)]
        note_table.write(folder / "volume" / str(size), volume)
    catalog[CORPUS] = {"servers_permitted": False}
    params = {"catalog": catalog, "synthesis": SETTINGS}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    from stages.ner.tagger import SETTINGS as TAGGER
    from stages.synthesis import adaptation
    from stages.synthesis.adaptation import Adaptation

    some = [text(number)[0] for number in range(100)]
    names = tags.tag_names(["PATIENT", "AGE"])
    for role, name in (("decoder", "decoder"), ("encoder", "tagger")):
        tokenizer = tokenizers.train(some, 400, role, 512)
        save_random(folder / name, tokenizer, role, names)
        lineage.write(folder / name, read)
    write_json(folder / "tagger" / TAGGER, {"length": 128, "overlap": 16})
    (folder / "adapted").mkdir()
    lineage.write(folder / "adapted", read)
    adaptation.write(folder / "adapted", Adaptation("none", "note", 128, models.digest(folder / "decoder")))


def save_random(folder: Path, tokenizer: Any, role: str, names: list[str]) -> None:
    """A random decoder, or a random tagger of `names`, with its tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForTokenClassification

    from stages.lm import models

    models.quieten()
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    special = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "max_position_embeddings": 512,
    }
    if role == "decoder":
        # Phi's output has a bias: bytes that are no character on their own are never written.
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model("phi", **special, **shape))
        whole = [tokenizer.decode([number]).isascii() for number in range(len(tokenizer))]
        with torch.no_grad():
            model.lm_head.bias.copy_((torch.tensor(whole).float() - 1) * 100)
    else:
        config = AutoConfig.for_model(
            "modernbert",
            **special,
            **shape,
            cls_token_id=tokenizer.cls_token_id,
            sep_token_id=tokenizer.sep_token_id,
            id2label=dict(enumerate(names)),
            label2id={name: number for number, name in enumerate(names)},
        )
        model = AutoModelForTokenClassification.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def text(number: int) -> tuple[str, list[tuple[int, int, str]]]:
    """An invented note of about 130 words and its spans."""
    random = Random(number)
    name, age = random.choice(NAMES), str(20 + random.randrange(60))
    head = f"Nombre: {name}.\nEdad: "
    body = " ".join(
        random.choice(SENTENCES).format(a=random.choice(THINGS), b=random.choice(THINGS), n=random.randrange(1, 400))
        for _ in range(14)
    )
    spans = [(8, 8 + len(name), "PATIENT"), (len(head), len(head) + len(age), "AGE")]
    return f"{head}{age} años.\n{body}\n", spans


def table(result: dict[str, Any], size: int) -> str:
    """Peaks, their ratios, and what a note costs."""
    rows = [
        [
            name,
            *row["mib"],
            f"{row['ratio']:.2f}",
            "-" if row["ratio_above_one_note"] is None else row["ratio_above_one_note"],
            row["kilobytes_a_note"],
        ]
        for name, row in result["peaks"].items()
    ]
    header = ["peak memory, MiB", "1 note", f"{size} notes", f"{TIMES * size} notes", "ratio"]
    return markdown([*header, "ratio above one note", "kB a note"], rows)


if __name__ == "__main__":
    run(main)
