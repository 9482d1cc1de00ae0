import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stages.pretraining import engines, server
from stages.pretraining.engines import Answer, Kept
from stages.shared.errors import UserError

SETTINGS = engines.Sampling(temperature=0.5, top_p=0.9, max_new_tokens=20, chunk=4, precision="fp32", seed=1)
KEY = "sesame"


class Fake(ThreadingHTTPServer):
    """Answers a chat with its own text in capitals, after the faults that `faults` lists, one a request."""

    daemon_threads = True

    def __init__(self, faults=()):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults, self.served, self.open, self.widest = list(faults), [], 0, 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.reply(200 if KEY in self.headers["Authorization"] else 401, {"object": "list", "data": []})

    def do_POST(self):
        of = self.server
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with of.lock:
            of.open += 1
            of.widest = max(of.widest, of.open)
            fault = of.faults.pop(0) if of.faults else None
        time.sleep(0.02)
        with of.lock:
            of.open -= 1
        if KEY not in self.headers["Authorization"]:
            self.reply(401, {"error": {"message": "no"}})
        elif isinstance(fault, int):
            self.reply(fault, {"error": {"message": "busy"}})
        elif fault == "slow":
            time.sleep(2)
        elif fault == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{")
        elif fault == "not JSON":
            self.reply(200, "<html>")
        elif fault == "other JSON":
            self.reply(200, {"choices": []})
        else:
            text = request["messages"][0]["content"].upper()
            with of.lock:
                of.served.append(text)
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            usage = {"completion_tokens": len(text), "prompt_tokens": 1, "total_tokens": 1}
            top = {"id": "x", "object": "chat.completion", "created": 1, "model": request["model"]}
            self.reply(200, top | {"choices": [choice], "usage": usage})

    def reply(self, status, body):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("retry-after-ms", "20")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def started(loopback, monkeypatch):
    servers = []

    def start(faults=(), timeout=1, concurrency=4):
        servers.append(Fake(faults))
        monkeypatch.setenv("DEIDSYNTH_SERVER", f"http://127.0.0.1:{servers[-1].server_port}/v1")
        monkeypatch.setenv("DEIDSYNTH_SERVER_KEY", KEY)
        monkeypatch.setenv("DEIDSYNTH_TIMEOUT", str(timeout))
        monkeypatch.setenv("DEIDSYNTH_CONCURRENCY", str(concurrency))
        return servers[-1]

    yield start
    for each in servers:
        each.shutdown()


def engine(count=12, text="pieza {}", **changes) -> server.Server:
    chats = [[{"role": "user", "content": text.format(number)}] for number in range(count)]
    return server.Server("m", chats, SETTINGS.model_copy(update=changes), permitted=False, private=True)


def ask(of: server.Server, folder: Path) -> list[Answer]:
    of.check()
    return list(engines.answers(of, Kept(folder / "answers.jsonl"), lambda tokens: None))


@pytest.mark.slow
def test_every_fault_is_outlived_and_nothing_is_lost_or_doubled(started, workdir):
    fake = started(faults=[429, 500, "slow", "cut", "not JSON", "other JSON", 503, "cut"])
    answers = ask(engine(), workdir)
    expected = [f"PIEZA {number}" for number in range(12)]
    assert [answer.text for answer in answers] == expected
    assert answers[3] == Answer("PIEZA 3", True, 7)
    assert sorted(fake.served) == sorted(expected)
    assert fake.faults == []


def test_as_many_requests_are_open_as_allowed(started, workdir):
    fake = started(concurrency=5)
    ask(engine(40), workdir)
    assert fake.widest == 5


def test_a_stopped_run_asks_only_for_what_is_missing(started, workdir, monkeypatch):
    monkeypatch.setattr(server, "_ATTEMPTS", 1)
    fake = started(faults=[None] * 5 + [500], concurrency=1)
    with pytest.raises(UserError, match="answered 500; what was answered before is kept"):
        ask(engine(), workdir)
    assert len(fake.served) == 5
    # What a kill leaves of a line is no answer.
    with (workdir / "answers.jsonl").open("a") as file:
        file.write('{"key": "ab')
    answers = ask(engine(), workdir)
    assert [answer.text for answer in answers] == [f"PIEZA {number}" for number in range(12)]
    assert len(fake.served) == 12 == len(set(fake.served))


@pytest.mark.parametrize("change", [{"text": "otra {}"}, {"temperature": 0.6}, {"seed": 2}])
def test_a_changed_request_meets_no_old_answer(started, workdir, change):
    fake = started()
    ask(engine(3), workdir)
    ask(engine(3), workdir)
    assert len(fake.served) == 3
    ask(engine(3, **change), workdir)
    assert len(fake.served) == 6


def test_equal_pieces_are_asked_each_with_its_own_seed(started, workdir):
    fake = started()
    assert len(ask(engine(3, text="igual"), workdir)) == 3
    assert fake.served == ["IGUAL"] * 3


def test_no_server_there(started, workdir, monkeypatch):
    monkeypatch.setenv("DEIDSYNTH_SERVER", "http://127.0.0.1:9/v1")
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9/v1: no server there"):
        engine().check()


def test_a_wrong_key(started, monkeypatch):
    fake = started()
    monkeypatch.setenv("DEIDSYNTH_SERVER_KEY", "wrong")
    with pytest.raises(UserError, match=r"refuses the key \(401\); set DEIDSYNTH_SERVER_KEY"):
        engine().check()
    assert fake.served == []


def test_a_server_that_stays_broken(started, workdir, monkeypatch):
    monkeypatch.setattr(server, "_ATTEMPTS", 2)
    started(faults=["not JSON"] * 9)
    with pytest.raises(UserError, match="2 times, what came was no chat completion"):
        ask(engine(1), workdir)
    monkeypatch.setenv("DEIDSYNTH_CONCURRENCY", "many")
    with pytest.raises(UserError, match="DEIDSYNTH_CONCURRENCY: expected a whole number"):
        engine()


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/v1", "http://[::1]:8000/v1", "http://localhost/v1"])
def test_this_machine(address):
    assert server.is_near(address)


FAR = [
    "http://10.0.0.5:8000/v1",
    "https://api.example.org/v1",
    "http://localhost.example.org/v1",
    "http://0.0.0.0/v1",
]


@pytest.mark.parametrize("address", FAR)
def test_another_machine_needs_an_agreement_and_a_name_in_a_local_file(workdir, monkeypatch, address):
    monkeypatch.setenv("DEIDSYNTH_SERVER", address)
    chats = [[{"role": "user", "content": "x"}]]

    def make(permitted, private=True):
        return server.Server("m", chats, SETTINGS, permitted, private)

    with pytest.raises(UserError, match="servers_permitted"):
        make(False)
    with pytest.raises(UserError, match=r"servers\.local names"):
        make(True)
    (workdir / server.ALLOWED).write_text("other.example.org\n")
    with pytest.raises(UserError, match=r"servers\.local names"):
        make(True)
    host = address.split("/")[2].rsplit(":", 1)[0] if "0.0.5" in address else address.split("/")[2]
    (workdir / server.ALLOWED).write_text(f"{host}\n")
    assert make(True).far
    # Public text may go anywhere.
    (workdir / server.ALLOWED).unlink()
    assert make(False, private=False).far
