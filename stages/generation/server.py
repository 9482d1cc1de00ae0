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
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import urlsplit

import numpy as np

from stages.generation.requests import Answer, Batches, Count, Keep, Request, Sampling, token_ids
from stages.runtime.console import say
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.params import Root

# Hosts that private text may be sent to, one per line; never in git.
ALLOWED = "servers.local"
# Settings that are not of OpenAI's protocol, with the values that change nothing.
_EXTRA = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
# Attempts at a request, with growing pauses between them: a busy server answers within these.
_ATTEMPTS = 8
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
    ) -> None:
        """`name` is the server's name for the model, `reads` the lineage of what is sent to it.

        `tokenizer` is needed for texts to continue only, `template` are arguments of the chat template. Raises
        UserError if the text must not be sent there.
        """
        self.name, self.settings, self.tokenizer, self.template = name, settings, tokenizer, template
        # What OpenAI's protocol lacks. Sent even if it changes nothing, or a server would take its own defaults.
        self.extra = {name: getattr(settings, name) for name in _EXTRA}
        self.address = os.environ.get("DEIDSYNTH_SERVER", "http://127.0.0.1:8000/v1")
        self.concurrency = _positive("DEIDSYNTH_CONCURRENCY", 16)
        self.timeout = _positive("DEIDSYNTH_TIMEOUT", 600)
        self.far = not is_near(self.address)
        if self.far and any(read.origin in ("real", "rewritten-real") for read in reads):
            refuse_far(self.address, permitted)

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
            problem = f"the server answered {error.status_code}{_KEPT}"
            if error.status_code in (401, 403):
                problem = f"the server refuses the key ({error.status_code}); set DEIDSYNTH_SERVER_KEY"
            elif error.status_code in (400, 422) and self.extra:
                problem = (
                    f"the server refuses the request ({error.status_code}): does it take "
                    f"{', '.join(self.extra)}, and is its context long enough?"
                )
            elif error.status_code == 404:
                problem = f"the server has no model {self.name}, or the address lacks /v1 (404)"
        except openai.APITimeoutError:
            problem = f"no answer within {self.timeout} seconds {_ATTEMPTS} times in a row{_KEPT}"
        except openai.APIConnectionError:
            problem = f"the connection was cut {_ATTEMPTS} times in a row{_KEPT}"
        else:
            return
        raise UserError(f"{self.address}: {problem}")

    async def _answer(self, waiting: Iterator[tuple[int, Request]], keep: Keep, on_tokens: Count) -> None:
        import openai

        async with openai.AsyncOpenAI(
            base_url=self.address,
            api_key=os.environ.get("DEIDSYNTH_SERVER_KEY", "none"),
            max_retries=_ATTEMPTS - 1,
            timeout=self.timeout,
            # A proxy of the environment would see the notes, and a redirect could lead anywhere.
            http_client=openai.DefaultAsyncHttpxClient(trust_env=False, follow_redirects=False),
        ) as client:
            try:
                # Asks for the server's models, before any text is sent.
                await client.with_options(max_retries=0).models.list()
            except openai.APIConnectionError:
                raise UserError(
                    f"{self.address}: no server there; start it (docs/rephrasing.md), or set DEIDSYNTH_SERVER"
                ) from None
            except (openai.APIStatusError, ValueError) as error:
                # Some servers cannot list models; the first request will tell.
                if getattr(error, "status_code", None) in (401, 403):
                    raise

            async def work() -> None:
                for number, request in waiting:
                    answer = await self._one(client, request)
                    keep(number, answer)
                    on_tokens(answer.tokens)

            await asyncio.gather(*(work() for _ in range(self.concurrency)))

    async def _one(self, client: Any, request: Request) -> Answer:
        """The answer to a request. The client itself retries after 429, 5xx, time-outs and cut connections."""
        import openai

        options = {
            "model": self.name,
            "temperature": self.settings.temperature,
            "top_p": self.settings.top_p,
            "max_tokens": self.settings.max_new_tokens,
            # 31 bits: some servers take no more.
            "seed": int(np.random.SeedSequence(request.seed).generate_state(1)[0]) >> 1,
        }
        for attempt in range(_ATTEMPTS):
            extra = self.extra
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
                tokens = reply.usage.completion_tokens if reply.usage else len(text.split())
                begin: Any = request.prompt if request.echo else ""
                return Answer(begin + text, reply.choices[0].finish_reason == "stop", tokens)
            except (openai.BadRequestError, openai.UnprocessableEntityError):
                if extra != _EXTRA:
                    raise
                # transformers' server refuses what it does not know. These values would change nothing.
                if self.extra:
                    say(f"warning: the server takes no {', '.join(extra)}; its own defaults apply")
                self.extra = {}
            except (ValueError, TypeError, AttributeError, IndexError):  # a reply that is not of the protocol
                await asyncio.sleep(min(0.5 * 2**attempt, 8))
        raise UserError(f"{self.address}: the reply was not a completion {_ATTEMPTS} times in a row{_KEPT}")


def is_near(address: str) -> bool:
    """Return whether an address is on this machine: a loopback number or `localhost`."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_far(address: str, permitted: bool) -> None:
    """Raise UserError unless the corpus's agreement permits sending notes and `servers.local` names the host."""
    host = urlsplit(address).hostname or ""
    if not permitted:
        raise UserError(
            f"{address} is another machine: notes stay on this one, unless the corpus's agreement permits sending "
            "them (catalog.<corpus>.servers_permitted in params.yaml)"
        )
    if not Path(ALLOWED).is_file() or host not in Path(ALLOWED).read_text(encoding="utf-8").split():
        raise UserError(f"{address} is another machine: notes go there only if a line of {ALLOWED} names {host}")


def _positive(name: str, default: int) -> int:
    """The value of an environment variable that must be a positive integer."""
    value = os.environ.get(name, str(default))
    if not value.isdecimal() or not int(value):
        raise UserError(f"{name}: expected a whole number above 0")
    return int(value)
