"""A language model behind a server that speaks OpenAI's protocol: vLLM, `transformers serve`, llama.cpp, Ollama.

How a server is reached cannot change a result, so it is set in the environment: DEIDSYNTH_SERVER
(http://127.0.0.1:8000/v1), DEIDSYNTH_SERVER_KEY, DEIDSYNTH_CONCURRENCY (16 open requests) and DEIDSYNTH_TIMEOUT (600
seconds per request). Private text is sent to this machine only, unless servers.local names the host and the corpus's
agreement permits it.
"""

import asyncio
import ipaddress
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import urlsplit

import numpy as np

from stages.generation.requests import (
    BEYOND_CONTEXT,
    REFUSED,
    Answer,
    Batches,
    Count,
    Keep,
    Request,
    Sampling,
    token_ids,
)
from stages.runtime.console import say
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.params import Root

# Hosts that private text may be sent to, one per line; never in git.
ALLOWED = "servers.local"
# Settings that are not of OpenAI's protocol, with the values that change nothing.
_EXTRA = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
# What /models says by the request and not of the model; and where servers say more, with what is taken of that.
_VOLATILE = {"created", "permission"}
_MORE = {"props": ("build_info", "chat_template", "model_path"), "version": ("version",), "api/version": ("version",)}
# Statuses of a request that is not taken: malformed, too large, or with a setting that the server does not know.
_NOT_TAKEN = (400, 413, 422)
# Attempts at a request, with growing pauses between them: a busy server answers within these.
_ATTEMPTS = 8
# A proxy of the environment would see the notes, and a redirect could lead anywhere.
_ALONE: dict[str, Any] = {"trust_env": False, "follow_redirects": False}
_KEPT = "; earlier answers are kept: check the server, then run again"


class ServersPermitted(Root[bool]):
    """Whether the corpus's agreement permits sending its notes to another machine, which servers.local must name."""

    at: ClassVar[str] = "catalog.{corpus}.servers_permitted"


class Server:
    """A model on a server. Chats go to /chat/completions, texts to continue to /completions, as token ids.

    Token ids, because servers and tokenizers differ in whether they add the token that begins a text.
    """

    def __init__(
        self,
        name: str,
        settings: Sampling,
        reads: Iterable[Read],
        permitted: bool,
        tokenizer: Any = None,
        template: Mapping[str, Any] = MappingProxyType({}),
        version: str = "",
    ) -> None:
        """`name` is the server's name for the model, `reads` the lineage of what is sent to it.

        `tokenizer` is needed for texts to continue only, `template` are arguments of the chat template, `version` is
        what the user calls the weights behind the name. Raises UserError if the text must not be sent there.
        """
        self.name, self.settings, self.tokenizer, self.template = name, settings, tokenizer, template
        self.version = version
        # What OpenAI's protocol lacks. Sent even if it changes nothing, or a server would take its own defaults.
        self.extra = {name: getattr(settings, name) for name in _EXTRA}
        self.address = os.environ.get("DEIDSYNTH_SERVER", "http://127.0.0.1:8000/v1")
        self.concurrency = _positive("DEIDSYNTH_CONCURRENCY", 16)
        self.timeout = _positive("DEIDSYNTH_TIMEOUT", 600)
        # The address may hold a password.
        parts = urlsplit(self.address)
        self.shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
        self.far = not is_near(self.address)
        if self.far and any(read.origin in ("real", "rewritten-real") for read in reads):
            refuse_far(self.address, self.shown, permitted)

    @cached_property
    def identity(self) -> list[Any]:
        """Name, version, and what the server tells of the model and of itself, without what changes by the request.

        Raises UserError if there is no server, or it refuses the key.
        """
        import httpx

        headers = {"Authorization": f"Bearer {os.environ.get('DEIDSYNTH_SERVER_KEY', 'none')}"}
        root = self.address.rstrip("/").removesuffix("/v1")
        told: dict[str, Any] = {}
        with httpx.Client(headers=headers, timeout=self.timeout, **_ALONE) as client:

            def ask(address: str) -> dict[str, Any]:
                """The JSON object at an address; empty if there is none: not every server has every address."""
                try:
                    reply = client.get(address)
                    content = reply.json() if reply.status_code == 200 else None
                except httpx.ConnectError:
                    raise UserError(
                        f"{self.shown}: no server there; start it (docs/rephrasing.md), or set DEIDSYNTH_SERVER"
                    ) from None
                except (httpx.HTTPError, ValueError):
                    return {}
                if reply.status_code in (401, 403):
                    raise UserError(f"{self.shown}: {self._problem(reply.status_code)}")
                return content if isinstance(content, dict) else {}

            listed = ask(f"{self.address.rstrip('/')}/models").get("data")
            for entry in listed if isinstance(listed, list) else ():
                if isinstance(entry, dict) and entry.get("id") == self.name:
                    told |= {key: value for key, value in entry.items() if key not in _VOLATILE}
            for place, keys in _MORE.items():
                content = ask(f"{root}/{place}")
                told |= {f"{place}/{key}": content[key] for key in keys if key in content}
        return [self.name, self.version, told]

    def _problem(self, status: int) -> str:
        """What an error status means."""
        if status in (401, 403):
            return f"the server refuses the key ({status}); set DEIDSYNTH_SERVER_KEY"
        if status == 404:
            return f"the server has no model {self.name}, or the address lacks /v1 (404)"
        return f"the server answered {status}{_KEPT}"

    def rendered(self, requests: Sequence[Request]) -> list[Request]:
        """The server renders chats itself, and can force no characters of a text to continue."""
        return [request._replace(tokens=None, rest="") for request in requests]

    def batches(self, requests: Sequence[Request]) -> Batches:
        return [[number] for number in range(len(requests))]

    def answer(self, requests: Sequence[Request], batches: Batches, keep: Keep, on_tokens: Count) -> None:
        import openai

        if self.far:
            say(f"sending {len(batches)} prompts to {urlsplit(self.address).hostname}")
        try:
            asyncio.run(self._answer(((number, requests[number]) for (number,) in batches), keep, on_tokens))
        except openai.APIStatusError as error:
            problem = self._problem(error.status_code)
        except openai.APITimeoutError:
            problem = f"no answer within {self.timeout} seconds {_ATTEMPTS} times in a row{_KEPT}"
        except openai.APIConnectionError:
            problem = f"the connection was cut {_ATTEMPTS} times in a row{_KEPT}"
        else:
            return
        raise UserError(f"{self.shown}: {problem}")

    async def _answer(self, waiting: Iterator[tuple[int, Request]], keep: Keep, on_tokens: Count) -> None:
        import openai

        async with openai.AsyncOpenAI(
            base_url=self.address,
            api_key=os.environ.get("DEIDSYNTH_SERVER_KEY", "none"),
            max_retries=_ATTEMPTS - 1,
            timeout=self.timeout,
            http_client=openai.DefaultAsyncHttpxClient(**_ALONE),
        ) as client:

            async def work() -> None:
                for number, request in waiting:
                    answer = await self._one(client, request)
                    keep(number, answer)
                    on_tokens(answer.tokens)

            await asyncio.gather(*(work() for _ in range(self.concurrency)))

    async def _one(self, client: Any, request: Request) -> Answer:
        """The answer to a request. The client itself retries after 429, 5xx, time-outs and cut connections.

        Some servers refuse settings that they do not know. So a request that is not taken is sent once more without
        the further settings: if it is taken then, they were the reason, and otherwise the request itself.
        """
        import openai

        options = {
            "model": self.name,
            "temperature": self.settings.temperature,
            "top_p": self.settings.top_p,
            "max_tokens": self.settings.max_new_tokens,
            # 31 bits: some servers take no more.
            "seed": int(np.random.SeedSequence(request.seed).generate_state(1)[0]) >> 1,
        }
        extra = self.extra
        for attempt in range(_ATTEMPTS):
            try:
                if isinstance(request.prompt, str):
                    ids = token_ids(request.prompt, self.tokenizer)
                    reply = await client.completions.create(prompt=ids, extra_body=extra, **options)
                    text = reply.choices[0].text
                else:
                    template = {"chat_template_kwargs": dict(self.template)} if self.template else {}
                    more = {"messages": request.prompt, "extra_body": extra | template}
                    reply = await client.chat.completions.create(**more, **options)
                    text = reply.choices[0].message.content
                    if text is None or reply.choices[0].finish_reason == "content_filter":
                        refused = reply.choices[0].finish_reason != "length"
                        return Answer("", False, 0, REFUSED if refused else "")
                tokens = reply.usage.completion_tokens if reply.usage else len(text.split())
                begin: Any = request.prompt if request.echo else ""
                answer = Answer(begin + text, reply.choices[0].finish_reason == "stop", tokens)
                if self.extra and not extra:
                    self._drop_extra()
                return answer
            except openai.APIStatusError as error:
                if error.status_code not in _NOT_TAKEN:
                    raise
                if not extra:
                    return Answer("", False, 0, REFUSED if error.code == "content_filter" else BEYOND_CONTEXT)
                extra = {}
            except (ValueError, TypeError, AttributeError, IndexError):  # a reply that is not of the protocol
                await asyncio.sleep(min(0.5 * 2**attempt, 8))
        raise UserError(f"{self.shown}: the reply was not a completion {_ATTEMPTS} times in a row{_KEPT}")

    def _drop_extra(self) -> None:
        """Send no further settings from now on. Raises UserError unless they would change nothing."""
        names = ", ".join(self.extra)
        if self.extra != _EXTRA:
            raise UserError(f"{self.shown}: the server takes no {names}; set them to the values that change nothing")
        say(f"warning: the server takes no {names}; its own defaults apply")
        self.extra = {}


def is_near(address: str) -> bool:
    """Return whether an address is on this machine: a loopback number or `localhost`."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_far(address: str, shown: str, permitted: bool) -> None:
    """Raise UserError unless notes may go to another machine.

    The corpus's agreement must permit it, `servers.local` name the host, and nobody on the way be able to read them.
    """
    host = urlsplit(address).hostname or ""
    if not permitted:
        raise UserError(
            f"{shown} is another machine: notes stay on this one, unless the corpus's agreement permits sending "
            "them (catalog.<corpus>.servers_permitted in params.yaml)"
        )
    if not Path(ALLOWED).is_file() or host not in Path(ALLOWED).read_text(encoding="utf-8").split():
        raise UserError(f"{shown} is another machine: notes go there only if a line of {ALLOWED} names {host}")
    if urlsplit(address).scheme != "https":
        raise UserError(f"{shown} is another machine: notes go there by https only, which nobody on the way can read")


def _positive(name: str, default: int) -> int:
    """The value of an environment variable that must be a positive integer."""
    value = os.environ.get(name, str(default))
    if not value.isdecimal() or not int(value):
        raise UserError(f"{name}: expected a whole number above 0")
    return int(value)
