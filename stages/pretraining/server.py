"""Answers from a server that speaks OpenAI's chat protocol: vLLM, `transformers serve`, llama.cpp, Ollama.

Where it is and how many requests are open at once is not a matter of params.yaml: DEIDSYNTH_SERVER
(http://127.0.0.1:8000/v1), DEIDSYNTH_SERVER_KEY, DEIDSYNTH_CONCURRENCY (16), DEIDSYNTH_TIMEOUT (600 seconds a
request). Notes go to this machine only, unless servers.local names the host and the corpus's agreement permits it.
"""

import asyncio
import ipaddress
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stages.pretraining.engines import Answer, Message, Sampling, key
from stages.shared.console import say
from stages.shared.errors import UserError

# Hosts, one a line, that notes may be sent to; never in git.
ALLOWED = "servers.local"
# A server that is only busy answers within these many attempts, seconds apart and ever longer.
_ATTEMPTS = 8
_KEPT = "; what was answered before is kept: see to the server, then run again"


class Server:
    """A model behind an address."""

    def __init__(
        self, model: str, chats: Sequence[list[Message]], settings: Sampling, permitted: bool, private: bool
    ):
        self.chats, self.settings, self.name = chats, settings, model
        drawn = settings.model_dump(exclude={"chunk", "precision"})
        self.keys = [key(model, drawn, number, chat) for number, chat in enumerate(chats)]
        self.address = os.environ.get("DEIDSYNTH_SERVER", "http://127.0.0.1:8000/v1")
        self.concurrency = _whole("DEIDSYNTH_CONCURRENCY", 16)
        self.timeout = _whole("DEIDSYNTH_TIMEOUT", 600)
        self.far = not is_near(self.address)
        if self.far and private:
            refuse_far(self.address, permitted)

    def check(self) -> None:
        if self.far:
            say(f"sending {len(self.chats)} pieces to {urlsplit(self.address).hostname}")
        asyncio.run(self._probe())

    def answer(self, wanted: set[int], keep: Callable[[int, Answer], None]) -> None:
        asyncio.run(self._all(sorted(wanted), keep))

    async def _all(self, wanted: list[int], keep: Callable[[int, Answer], None]) -> None:
        waiting = iter(wanted)
        async with self._client(_ATTEMPTS - 1) as client:

            async def work() -> None:
                for number in waiting:
                    keep(number, await self._one(client, number))

            await asyncio.gather(*(work() for _ in range(min(self.concurrency, len(wanted)))))

    async def _one(self, client: Any, number: int) -> Answer:
        """One answer. The client itself tries again, ever later, after 429, 5xx, time-outs and cut connections."""
        import openai

        for attempt in range(_ATTEMPTS):
            try:
                reply = await client.chat.completions.create(
                    model=self.name,
                    messages=self.chats[number],
                    temperature=self.settings.temperature,
                    top_p=self.settings.top_p,
                    max_tokens=self.settings.max_new_tokens,
                    seed=self.settings.seed + number,
                )
                choice = reply.choices[0]
                if isinstance(choice.message.content, str):
                    tokens = (
                        reply.usage.completion_tokens if reply.usage else len(choice.message.content.split())
                    )
                    return Answer(choice.message.content, choice.finish_reason == "stop", tokens)
            except openai.APIStatusError as error:
                raise UserError(self._explain(error.status_code)) from None
            except (openai.APITimeoutError, openai.APIConnectionError) as error:
                slow = isinstance(error, openai.APITimeoutError)
                raise UserError(
                    f"{self.address}: "
                    + (f"no answer within {self.timeout} seconds" if slow else "the connection was cut")
                    + f" {_ATTEMPTS} times in a row{_KEPT}"
                ) from None
            except (ValueError, TypeError, AttributeError, IndexError):
                pass  # not what the protocol says an answer looks like
            await asyncio.sleep(min(0.5 * 2**attempt, 8))
        raise UserError(f"{self.address}: {_ATTEMPTS} times, what came was no chat completion{_KEPT}")

    async def _probe(self) -> None:
        """UserError unless the server is there and takes the key; asks for its models, sends no note."""
        import openai

        async with self._client(0) as client:
            try:
                await client.models.list()
            except openai.APIStatusError as error:
                if error.status_code in (401, 403):
                    raise UserError(self._explain(error.status_code)) from None
                # Some servers list no models; the first request will tell.
            except openai.APIConnectionError:
                raise UserError(
                    f"{self.address}: no server there; start it (docs/rephrasing.md), or set DEIDSYNTH_SERVER"
                ) from None
            except ValueError:
                pass

    def _client(self, retries: int) -> Any:
        import httpx2
        import openai

        # The environment's proxies would see the notes, and a redirect could lead anywhere.
        http = httpx2.AsyncClient(trust_env=False, follow_redirects=False, timeout=self.timeout)
        return openai.AsyncOpenAI(
            base_url=self.address,
            api_key=os.environ.get("DEIDSYNTH_SERVER_KEY", "none"),
            max_retries=retries,
            timeout=self.timeout,
            http_client=http,
        )

    def _explain(self, status: int) -> str:
        if status in (401, 403):
            return f"{self.address}: the server refuses the key ({status}); set DEIDSYNTH_SERVER_KEY"
        if status == 404:
            return f"{self.address}: the server knows no model {self.name}, or the address lacks /v1 (404)"
        return f"{self.address}: the server answered {status}{_KEPT}"


def is_near(address: str) -> bool:
    """Whether the address is this machine's own: a loopback number or `localhost`."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_far(address: str, permitted: bool) -> None:
    """UserError unless `servers.local` names the host and the corpus's agreement permits to send notes there."""
    host = urlsplit(address).hostname or ""
    named = Path(ALLOWED).read_text(encoding="utf-8").split() if Path(ALLOWED).is_file() else []
    if not permitted:
        raise UserError(
            f"{address} is another machine: notes stay on this one, unless the corpus's agreement permits to send "
            "them (corpora.<corpus>.rewriting.servers_permitted in params.yaml)"
        )
    if host not in named:
        raise UserError(
            f"{address} is another machine: notes go there only if a line of {ALLOWED} names {host}"
        )


def _whole(name: str, default: int) -> int:
    value = os.environ.get(name, str(default))
    if not value.isdecimal() or not int(value):
        raise UserError(f"{name}: expected a whole number above 0")
    return int(value)
