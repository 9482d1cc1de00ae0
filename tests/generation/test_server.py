from pathlib import Path

import pytest

from stages.generation import server
from stages.generation.requests import Answer, AnswerStore, Request, Sampling, answers
from stages.lm import models
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from tests import tiny
from tests.generation.fake_server import Fake

SETTINGS = Sampling(temperature=0.5, top_p=0.9, max_new_tokens=20)
REAL = [Read("c/0/train", "real", "content")]


def engine(version="", **changes) -> server.Server:
    return server.Server("m", SETTINGS.model_copy(update=changes), REAL, permitted=False, version=version)


def chats(count=12, text="pieza {}", seed=1) -> list[Request]:
    return [Request([{"role": "user", "content": text.format(number)}], (seed, number)) for number in range(count)]


def ask(requests: list[Request], folder: Path, **changes) -> list[Answer]:
    return list(answers(engine(**changes), requests, AnswerStore(folder / "answers.jsonl")))


def said(fake: Fake) -> list[str]:
    return [request["messages"][0]["content"].upper() for request in fake.served]


@pytest.mark.slow
def test_every_fault_is_outlived_and_nothing_is_lost_or_doubled(started, workdir):
    fake = started(faults=[429, 500, "slow", "cut", "not JSON", "other JSON", 503, "cut"])
    found = ask(chats(), workdir)
    expected = [f"PIEZA {number}" for number in range(12)]
    assert [answer.text for answer in found] == expected
    assert found[3] == Answer("PIEZA 3", True, 7)
    assert sorted(said(fake)) == sorted(expected)
    assert fake.faults == []


def test_as_many_requests_are_open_as_allowed(started, workdir):
    fake = started(concurrency=5)
    ask(chats(40), workdir)
    assert fake.widest == 5


def test_a_stopped_run_asks_only_for_what_is_missing(started, workdir, monkeypatch):
    monkeypatch.setattr(server, "_ATTEMPTS", 1)
    fake = started(faults=[None] * 5 + [500], concurrency=1)
    with pytest.raises(UserError, match="answered 500; earlier answers are kept"):
        ask(chats(), workdir)
    assert len(fake.served) == 5
    # A line that a kill cut off is no answer.
    with (workdir / "answers.jsonl").open("a") as file:
        file.write('{"key": "ab')
    found = ask(chats(), workdir)
    assert [answer.text for answer in found] == [f"PIEZA {number}" for number in range(12)]
    assert len(fake.served) == 12 == len(set(said(fake)))


@pytest.mark.parametrize(
    ("requests", "changes"), [(chats(3, "otra {}"), {}), (chats(3, seed=2), {}), (chats(3), {"temperature": 0.6})]
)
def test_a_changed_request_meets_no_old_answer(started, workdir, requests, changes):
    fake = started()
    ask(chats(3), workdir)
    ask(chats(3), workdir)
    assert len(fake.served) == 3
    ask(requests, workdir, **changes)
    assert len(fake.served) == 6


def test_equal_pieces_are_asked_each_with_its_own_seed(started, workdir):
    fake = started()
    assert len(ask(chats(3, text="igual"), workdir)) == 3
    assert said(fake) == ["IGUAL"] * 3
    assert len({request["seed"] for request in fake.served}) == 3


def test_a_text_to_continue_is_sent_as_the_tokens_that_training_saw(started, workdir):
    fake = started()
    tokenizer = models.load_tokenizer(tiny.decoder(workdir / "base"))
    asking = server.Server("adapted", SETTINGS, REAL, permitted=False, tokenizer=tokenizer)
    requests = [Request("Nombre: Ana", (1, 0)), Request("Nombre: Ana", (1, 1), echo=True), Request("", (2, 0))]
    heard = []
    found = list(answers(asking, requests, AnswerStore(workdir / "a.jsonl"), on_tokens=heard.append))
    begin = tokenizer.bos_token_id
    ids = [begin, *tokenizer("Nombre: Ana", add_special_tokens=False)["input_ids"]]
    by_seed = {request["seed"]: request for request in fake.served}
    assert len(by_seed) == 3
    for request, answer in zip(requests, found, strict=True):
        assert answer.text.startswith("Nombre: Ana w" if request.echo else " w")
        sent = by_seed[int(answer.text.split()[-1][1:].split("x")[0])]
        assert sent["prompt"] == (ids if request.prompt else [begin])
        assert (sent["model"], sent["temperature"], sent["top_p"], sent["max_tokens"]) == ("adapted", 0.5, 0.9, 20)
    assert sorted(heard) == sorted(answer.tokens for answer in found)


def test_all_sampling_settings_are_sent_even_if_they_change_nothing(started, workdir):
    fake = started()
    ask(chats(1), workdir)
    ask(chats(1), workdir, top_k=40, min_p=0.1, repetition_penalty=1.1)
    sent = [[request[name] for name in ("top_k", "min_p", "repetition_penalty")] for request in fake.served]
    assert sent == [[0, 0.0, 1.0], [40, 0.1, 1.1]]
    assert not any("chat_template_kwargs" in request for request in fake.served)


def test_arguments_of_the_template_are_sent_and_decide_the_answer(started, workdir):
    fake, store = started(), AnswerStore(workdir / "a.jsonl")
    for template in ({}, {"enable_thinking": False}, {"enable_thinking": False}, {"enable_thinking": True}):
        asking = server.Server("m", SETTINGS, REAL, permitted=False, template=template)
        list(answers(asking, chats(1), store))
    assert [request.get("chat_template_kwargs") for request in fake.served] == [
        None, {"enable_thinking": False}, {"enable_thinking": True},
    ]  # fmt: skip


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_takes_no_further_settings(started, workdir, capsys, status):
    """transformers' server refuses what it does not know."""
    fake = started(faults=[status], concurrency=1)
    found = ask(chats(3), workdir)
    assert [answer.text for answer in found] == [f"PIEZA {number}" for number in range(3)]
    assert not any("top_k" in request for request in fake.served)
    warning = "warning: the server takes no top_k, min_p, repetition_penalty; its own defaults apply\n"
    assert capsys.readouterr().out == warning
    started(faults=[status])
    with pytest.raises(
        UserError, match="the server takes no top_k, min_p, repetition_penalty; set them to the values"
    ):
        ask(chats(1), workdir / "..", top_k=40)


def test_a_request_that_is_too_long_is_counted_and_the_others_go_on(started, workdir, capsys):
    fake = started(concurrency=1)
    fake.context = 80
    requests = chats(2) + chats(1, text="x" * 90) + chats(3)[2:]
    found = ask(requests, workdir)
    assert [(answer.text, answer.fault) for answer in found] == [
        ("PIEZA 0", ""), ("PIEZA 1", ""), ("", "beyond_context"), ("PIEZA 2", "")
    ]  # fmt: skip
    # The settings were not the reason, so they are sent to the last one too.
    assert all("top_k" in request for request in fake.served)
    assert capsys.readouterr().out == ""
    # With a longer context, only that one is asked again, and its answer is kept.
    fake.context = 1000
    assert [answer.text for answer in ask(requests, workdir)] == ["PIEZA 0", "PIEZA 1", "X" * 90, "PIEZA 2"]
    assert len(fake.served) == 4
    ask(requests, workdir)
    assert len(fake.served) == 4


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"finish_reason": "length"}, Answer("", False, 0, "")),
        ({"finish_reason": "stop"}, Answer("", False, 0, "refused")),
        ({"finish_reason": "content_filter"}, Answer("", False, 0, "refused")),
    ],
)
def test_a_reply_without_content_is_counted_and_not_asked_for_again(started, workdir, reply, expected):
    fake = started(faults=[None, reply], concurrency=1)
    assert ask(chats(3), workdir) == [Answer("PIEZA 0", True, 7), expected, Answer("PIEZA 2", True, 7)]
    assert ask(chats(3), workdir)[1] == expected
    assert len(fake.served) == 3


def test_more_faults_than_allowed_end_the_work_at_once(started, workdir):
    fake = started(faults=[{"finish_reason": "content_filter"}] * 20, concurrency=1)

    def asked(most: float) -> list[Answer]:
        store = AnswerStore(workdir / "answers.jsonl")
        return list(answers(engine(), chats(20), store, most_faults=most))

    with pytest.raises(
        UserError, match=r"^of 20 requests 3 were refused and 0 are longer than the context: more than"
    ):
        asked(0.1)
    assert len(fake.served) == 3
    # What was counted before counts on, and answers that were paid for stay.
    with pytest.raises(UserError, match="of 20 requests 4 were refused"):
        asked(0.1)
    assert len(fake.served) == 4
    fake.faults.clear()
    assert [answer.fault for answer in asked(0.2)] == ["refused"] * 4 + [""] * 16


def test_another_model_under_the_same_name_meets_no_old_answer(started, workdir):
    fake = started()
    for _ in range(2):  # when it was asked makes no difference
        ask(chats(2), workdir)
    assert len(fake.served) == 2
    for told in ({"root": "c/d"}, {"root": "c/d", "meta": {"n_params": 7}}):
        fake.told = told | {"created": 0}
        ask(chats(2), workdir)
        ask(chats(2), workdir)
    assert len(fake.served) == 6
    ask(chats(2), workdir, version="Q4")
    assert len(fake.served) == 8


def test_a_password_in_the_address_is_not_printed(started, workdir, monkeypatch):
    for address in ("http://ana:secret@127.0.0.1:9/v1", "https://ana:secret@api.example.org/v1?key=secret"):
        monkeypatch.setenv("DEIDSYNTH_SERVER", address)
        with pytest.raises(UserError) as caught:
            ask(chats(1), workdir)
        assert "secret" not in str(caught.value)
        assert "/v1: no server there" in str(caught.value) or "/v1 is another machine" in str(caught.value)


def test_no_server_there(started, workdir, monkeypatch):
    monkeypatch.setenv("DEIDSYNTH_SERVER", "http://127.0.0.1:9/v1")
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9/v1: no server there"):
        ask(chats(), workdir)


def test_a_wrong_key(started, workdir, monkeypatch):
    fake = started()
    monkeypatch.setenv("DEIDSYNTH_SERVER_KEY", "wrong")
    with pytest.raises(UserError, match=r"refuses the key \(401\); set DEIDSYNTH_SERVER_KEY"):
        ask(chats(), workdir)
    assert fake.served == []


def test_a_server_that_stays_broken(started, workdir, monkeypatch):
    monkeypatch.setattr(server, "_ATTEMPTS", 2)
    started(faults=["not JSON"] * 9)
    with pytest.raises(UserError, match="the reply was not a completion 2 times in a row"):
        ask(chats(1), workdir)
    monkeypatch.setenv("DEIDSYNTH_CONCURRENCY", "many")
    with pytest.raises(UserError, match="DEIDSYNTH_CONCURRENCY: expected a whole number"):
        engine()


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/v1", "http://[::1]:8000/v1", "http://localhost/v1"])
def test_this_machine(address):
    assert server.is_near(address)


FAR = [
    "https://10.0.0.5:8000/v1",
    "https://api.example.org/v1",
    "https://localhost.example.org/v1",
    "https://0.0.0.0/v1",
]


@pytest.mark.parametrize("address", FAR)
@pytest.mark.parametrize("origin", ["real", "rewritten-real"])
def test_another_machine_needs_an_agreement_and_a_name_in_a_local_file(workdir, monkeypatch, address, origin):
    monkeypatch.setenv("DEIDSYNTH_SERVER", address)

    def make(permitted, origin=origin):
        return server.Server("m", SETTINGS, [Read("c/0/train", origin, "prompts")], permitted)

    with pytest.raises(UserError, match=r"catalog\.<corpus>\.servers_permitted"):
        make(False)
    with pytest.raises(UserError, match=r"servers\.local names"):
        make(True)
    (workdir / server.ALLOWED).write_text("other.example.org\n")
    with pytest.raises(UserError, match=r"servers\.local names"):
        make(True)
    host = address.split("/")[2].rsplit(":", 1)[0] if "0.0.5" in address else address.split("/")[2]
    (workdir / server.ALLOWED).write_text(f"{host}\n")
    assert make(True).far
    monkeypatch.setenv("DEIDSYNTH_SERVER", address.replace("https", "http"))
    with pytest.raises(UserError, match="notes go there by https only"):
        make(True)
    # Public text may go anywhere.
    (workdir / server.ALLOWED).unlink()
    assert make(False, "public").far


def test_the_first_message_says_how_much_goes_where(workdir, monkeypatch, capsys):
    monkeypatch.setenv("DEIDSYNTH_SERVER", "https://api.example.org/v1")
    (workdir / server.ALLOWED).write_text("api.example.org\n")

    async def refuse(*_):
        raise UserError("no network in tests")

    monkeypatch.setattr(server.Server, "_answer", refuse)
    monkeypatch.setattr(server.Server, "identity", "m")
    asking = server.Server("m", SETTINGS, REAL, permitted=True)
    with pytest.raises(UserError, match="no network"):
        list(answers(asking, chats(), AnswerStore(workdir / "a.jsonl")))
    assert capsys.readouterr().out == "sending 12 prompts to api.example.org\n"
