"""A server of OpenAI's protocol on this machine, with faults on demand."""

import json
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

KEY = "sesame"


class Fake(ThreadingHTTPServer):
    """Answers a chat with its own text in capitals and a text to continue with words made from the seed.

    The first requests meet the faults in `faults`, one each; None is no fault. `served` has the requests answered.
    Prompts longer than `context` characters get a 400. `told` is what the server tells of the model m and of itself.
    """

    daemon_threads = True

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        faults: Sequence[str | int | None] = (),
        timeout: int = 1,
        concurrency: int = 4,
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults, self.served, self.open, self.widest = list(faults), [], 0, 0
        self.context, self.told = 1000, {"root": "a/b", "created": 0}
        self.lock = threading.Lock()
        # The default polls twice a second, which every test would wait for at its end.
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("DEIDSYNTH_SERVER", f"http://127.0.0.1:{self.server_port}/v1")
        monkeypatch.setenv("DEIDSYNTH_SERVER_KEY", KEY)
        monkeypatch.setenv("DEIDSYNTH_TIMEOUT", str(timeout))
        monkeypatch.setenv("DEIDSYNTH_CONCURRENCY", str(concurrency))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.told["created"] += 1
        entries = {
            "/v1/models": {"object": "list", "data": [{"id": "m"} | self.server.told]},
            "/version": {"version": "1"},
        }
        known = 200 if self.path in entries else 404
        self.reply(known if KEY in self.headers["Authorization"] else 401, entries.get(self.path, {}))

    def do_POST(self):
        server = self.server
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.open += 1
            server.widest = max(server.widest, server.open)
            fault = server.faults.pop(0) if server.faults else None
        time.sleep(0.02)
        with server.lock:
            server.open -= 1
        if KEY not in self.headers["Authorization"]:
            self.reply(401, {"error": {"message": "no"}})
        elif len(str(request.get("messages", ""))) > server.context:
            self.reply(400, {"error": {"message": f"too long: {request['messages']}"}})
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
            chat = self.path == "/v1/chat/completions"
            if chat:
                text = request["messages"][0]["content"].upper()
                content = {"message": {"role": "assistant", "content": text}}
                if isinstance(fault, dict):
                    content["message"]["content"] = None
                    content |= fault
            else:
                assert self.path == "/v1/completions"
                text = "".join(f" w{request['seed']}x{number}" for number in range(30))
                content = {"text": text, "logprobs": None}
            with server.lock:
                server.served.append(request)
            top = {"id": "x", "object": "chat.completion" if chat else "text_completion", "created": 1}
            usage = {"completion_tokens": len(text), "prompt_tokens": 1, "total_tokens": 1}
            choice = {"index": 0, "finish_reason": "stop"} | content
            self.reply(200, top | {"model": request["model"], "choices": [choice], "usage": usage})

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
