import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from tokenizers import normalizers

from benchmarks.served import served
from stages.generation.engines import InProcess
from stages.generation.requests import TEMPLATE as TEMPLATE_FILE
from stages.generation.requests import AnswerStore, Request, Sampling, answers
from stages.lm import models
from stages.notes import note_table
from stages.notes.note_table import Note
from stages.pretraining.rephrase import rephrase, without_thoughts
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from tests import runs, tiny
from tests.graph import ROOT

SAMPLING = {"temperature": 0.7, "top_p": 0.9, "max_new_tokens": 12, "chunk": 4, "precision": "fp32", "seed": 1}
PROMPTS = {"plain": "Reescribe: {text}", "formal": "Escribe con formalidad: {text} Fin."}
TEMPLATE = "{% for turn in messages %}{{ turn.content }}{% endfor %}{% if add_generation_prompt %}\n>{% endif %}"
OUT = "out/real/tiny/{}/demo/0"


@pytest.fixture
def project(workdir: Path) -> Path:
    pieces = [
        Note(f"n{i}#0", f"g{i}", text[: 40 + 3 * i], provenance={"note": f"n{i}", "start": 0})
        for i, text in enumerate(tiny.texts(10))
    ]
    note_table.write("pieces", pieces)
    lineage.write("pieces", [Read("demo/0/train", "real", "content")])
    instruct(workdir / "rephraser")
    return workdir


def instruct(folder: Path, template: str | None = TEMPLATE, **changes) -> None:
    tiny.decoder(folder, **changes)
    tokenizer = models.load_tokenizer(folder)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)


def arguments(prompt="plain") -> dict:
    cell = {"corpus": "demo", "source": "real", "rephraser": "tiny", "prompt": prompt, "fold": 0}
    return cell | {"pieces": "pieces", "model": "rephraser", "out": OUT.format(prompt), "metrics": "m.json"}


def run(prompt="plain", prompts=PROMPTS, of=None, **changes) -> list[Note]:
    section = {"prompts": prompts, "sampling": SAMPLING | changes, "sampling_of": of or {}}
    catalog = {"demo": {"servers_permitted": False}}
    runs.write_params({"pretraining": {"rephrase": section}, "catalog": catalog})
    runs.run(rephrase, **arguments(prompt))
    return list(note_table.read(OUT.format(prompt)))


def test_every_piece_is_rewritten_once_by_the_prompt(project):
    made = run()
    pieces = list(note_table.read("pieces"))
    assert [(note.note_id, note.group_id) for note in made] == [(piece.note_id, piece.group_id) for piece in pieces]
    assert all(note.text and note.text == note.text.strip() for note in made)
    counts = json.loads(Path("m.json").read_text())
    assert counts["answers"] == 10
    assert counts["tokens"] == sum(note.provenance["tokens"] for note in made)
    assert counts["unfinished"] == sum(not note.provenance["ended"] for note in made)
    assert {note.provenance["model"] for note in made} == {models.digest("rephraser")}
    assert [note.text for note in run("formal")] != [note.text for note in made]
    assert [note.text for note in run()] == [note.text for note in made]


def test_lineage_says_rewritten_and_by_whom(project):
    run()
    assert lineage.read(OUT.format("plain")) == {
        Read("demo/0/train", "rewritten-real", "content"),
        Read("story", "public", "generator"),
    }


@pytest.mark.parametrize("after", [0, 5])
def test_a_killed_rewriting_goes_on_to_the_same_answers(project, monkeypatch, after):
    whole = run()
    asked = []
    add = AnswerStore.add

    def dies(self, key, answer):
        if len(asked) == after:
            raise KeyboardInterrupt
        asked.append(key)
        add(self, key, answer)

    with monkeypatch.context() as patch:
        patch.setattr(AnswerStore, "add", dies)
        with pytest.raises(KeyboardInterrupt):
            run()
    again = []
    monkeypatch.setattr(AnswerStore, "add", lambda self, key, answer: (again.append(key), add(self, key, answer)))
    assert run() == whole
    # Whole chunks of four are asked again, answers that were kept stay.
    assert len(again) == 10 - after // 4 * 4


def test_an_answer_is_what_the_model_itself_would_greedily_say(project):
    import torch

    made = run(top_p=1e-6, max_new_tokens=8)
    model, tokenizer = models.load_decoder("rephraser").eval(), models.load_tokenizer("rephraser")
    for piece, note in zip(note_table.read("pieces"), made, strict=True):
        ids = tokenizer(f"Reescribe: {piece.text}\n>", add_special_tokens=False, return_tensors="pt").input_ids
        never = [number for number in tokenizer.all_special_ids if number != tokenizer.eos_token_id]
        with torch.inference_mode():
            theirs = model.generate(ids, max_new_tokens=8, do_sample=False, suppress_tokens=never, pad_token_id=2)
        said = tokenizer.decode(theirs[0, ids.shape[1] :], skip_special_tokens=True)
        assert note.text == said.strip()


def test_a_rephraser_s_own_sampling_replaces_that_of_all(project):
    usual = [note.text for note in run(temperature=1.0)]
    own = [note.text for note in run(of={"tiny": {"temperature": 1.0}}, temperature=0.01)]
    others = [note.text for note in run(of={"large": {"temperature": 1.0}}, temperature=0.01)]
    assert own == usual != others


@pytest.mark.parametrize("wrong", [{"temprature": 1.0}, {"temperature": 0.0}])
def test_a_wrong_sampling_of_one_rephraser_is_named(project, wrong):
    with pytest.raises(UserError, match=rf"pretraining\.rephrase.*sampling_of: large: {next(iter(wrong))}: "):
        run(of={"large": wrong})


def test_a_template_that_prints_the_date_asks_anew_the_next_day(project, monkeypatch):
    """As Llama 3's does. Answers of the same day are found again."""
    from transformers.utils import chat_template_utils

    day = "26 Nov 2026"

    class Today:
        @staticmethod
        def now():
            return SimpleNamespace(strftime=lambda form: day)

    monkeypatch.setattr(chat_template_utils, "datetime", Today)
    instruct(project / "rephraser", "Hoy: {{ strftime_now('%d %b %Y') }}. " + TEMPLATE)

    engine = InProcess(Path("rephraser"), Sampling(temperature=1.0, top_p=1.0, max_new_tokens=2))
    requests = [Request([{"role": "user", "content": "tos"}], (1, number)) for number in range(3)]

    def kept() -> int:
        list(answers(engine, requests, AnswerStore(project / "answers.jsonl")))
        return len((project / "answers.jsonl").read_text().splitlines())

    assert (kept(), kept()) == (3, 3)
    day = "27 Nov 2026"
    assert (kept(), kept()) == (6, 6)


def test_arguments_of_the_template_reach_it_and_decide_the_answers(project):
    instruct(project / "rephraser", "{{ 'Piensa. ' if enable_thinking else '' }}" + TEMPLATE)
    engine = InProcess(Path("rephraser"), Sampling(temperature=1.0, top_p=1.0, max_new_tokens=2))
    [plain] = engine.rendered([Request([{"role": "user", "content": "tos"}], (1, 0))])
    Path("rephraser", TEMPLATE_FILE).write_text('{"enable_thinking": true}')
    engine = InProcess(Path("rephraser"), Sampling(temperature=1.0, top_p=1.0, max_new_tokens=2))
    [thinking] = engine.rendered([Request([{"role": "user", "content": "tos"}], (1, 0))])
    decode = engine.tokenizer.decode
    assert (decode(plain.tokens), decode(thinking.tokens)) == ("tos>", "Piensa. tos>")


def test_what_the_rephraser_s_tokenizer_loses_stops_the_stage(project):
    tokenizer = models.load_tokenizer("rephraser")
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("\n", " ")
    tokenizer.save_pretrained("rephraser")
    with pytest.raises(UserError, match=r"0 of 20 line breaks.*lower pretraining\.rephrase\.round_trip"):
        run()


def test_a_template_without_the_text(project):
    with pytest.raises(UserError, match=r"pretraining\.rephrase\.prompts\.plain: .*write \{text\} exactly once"):
        run(prompts={"plain": "Reescribe el texto"})


def test_an_unknown_prompt(project):
    with pytest.raises(
        UserError, match=r"grid\.prompts names other; pretraining\.rephrase\.prompts has formal, plain"
    ):
        run(prompt="other")


def no_weights(monkeypatch):
    def load(*_, **__):
        raise AssertionError("weights are loaded")

    monkeypatch.setattr(models, "load_decoder", load)


def test_a_model_without_a_chat_template(project, monkeypatch):
    instruct(project / "rephraser", template=None)
    Path("rephraser/chat_template.jinja").unlink(missing_ok=True)
    no_weights(monkeypatch)
    with pytest.raises(UserError, match="no chat template"):
        run()


def test_a_piece_longer_than_the_context(project, monkeypatch):
    no_weights(monkeypatch)
    longest = re.compile(
        r"context is 256 tokens, but the longest piece takes \d+ with its prompt, and its answer may take 250"
    )
    with pytest.raises(UserError, match=longest):
        run(max_new_tokens=250)
    assert not Path(OUT.format("plain")).exists()


@pytest.mark.slow
def test_kill_9_at_three_moments_loses_and_doubles_nothing(project):
    """As a cluster kills: no handler runs, a line may be half written."""
    whole = run(chunk=1)
    shutil.rmtree("out")
    options = [word for name, value in arguments().items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "stages.pretraining.rephrase", *options]
    kept = Path("data/.scratch/pretraining/rephrase/demo-real-tiny-plain-fold-0/answers.jsonl")
    for moment in (1, 4, 8):
        started = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
        while started.poll() is None and not (kept.is_file() and kept.read_bytes().count(b"\n") >= moment):
            time.sleep(0.001)
        started.kill()
        assert started.wait() == -signal.SIGKILL
        assert not Path(OUT.format("plain")).exists()
    assert kept.is_file()
    assert run(chunk=1) == whole
    assert not kept.exists()


@pytest.mark.slow
def test_a_real_server_answers_every_piece(project, monkeypatch, loopback):
    """`transformers serve`, as docs/rephrasing.md starts it."""
    pytest.importorskip("openai")
    instruct(project / "served")
    shutil.rmtree("rephraser")
    Path("rephraser").mkdir()
    Path("rephraser/server.json").write_text(json.dumps({"model": str(project / "served"), "version": ""}))
    lineage.write("rephraser", [Read("server:served", "public", "gradient")])
    with served(project / "served", "server.log") as address:
        monkeypatch.setenv("DEIDSYNTH_SERVER", address)
        made = run()
    assert [note.note_id for note in made] == [piece.note_id for piece in note_table.read("pieces")]
    assert all(0 < note.provenance["tokens"] <= 12 for note in made)
    assert sum(bool(note.text) for note in made) > 5
    assert {note.provenance["model"] for note in made} == {str(project / "served")}


@pytest.mark.parametrize(
    ("text", "spoken", "whole"),
    [
        ("<think>\nThe note says\n</think>\n\nAcude Ana.", "Acude Ana.", True),
        ("The note says </think> Acude Ana.", "Acude Ana.", True),
        ("<think>The note says", "", False),
        ("<thinking>a</thinking><thinking>b</thinking>Acude.", "Acude.", True),
        ("Acude. <reasoning> Is that", "Acude.", False),
        ("  Piensa: 3 < think > 2.  ", "Piensa: 3 < think > 2.", True),
        ("", "", True),
    ],
)
def test_what_a_model_thought_is_no_part_of_its_answer(text, spoken, whole):
    assert without_thoughts(text) == (spoken, whole)
