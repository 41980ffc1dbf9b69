"""The proof of a GGUF file: a llama.cpp server gives the answers that our own forward gives.

In: the file, the one that it was made of, and the export. Out: a `Proof`. llama.cpp multiplies in eight bits
where weights are quantised, so its numbers differ from ours with no soft prompt too: that difference is
measured on the untouched file, and the exported one may not differ by much more.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import scipy.special
from jaxtyping import Float

from acculturate.errors import FailureError
from acculturate.export.formats import Export
from acculturate.export.placing import VirtualTokens
from acculturate.export.proof import Proof, effect_of, option_probabilities
from acculturate.formatting import first_line
from acculturate.model.soft_prompt import SoftPrompt

SHARE, REST = 3.0, 0.1
"""Largest difference of an option's log-probability: a multiple of the untouched file's, and some nats. Behind
random virtual tokens the embedded model's was 0.42, and 0.16 untouched."""
_CONTEXT = 4096
_TOP = 200
_BIAS = 100.0  # on logits that are some tens
_TIMEOUT = 120.0  # seconds a request
_TURNS = [{"role": "user", "content": "Plan your day"}]


class Server:
    """A llama.cpp server that has a file.

    Args:
        client: A client of its address.
        size: Number of tokens of its vocabulary.
    """

    def __init__(self, client: httpx2.Client, size: int) -> None:
        self._client, self._size = client, size

    def tokens(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a text, as a completion of it would begin."""
        given = {"content": text, "add_special": True, "parse_special": True}
        return tuple(self._post("/tokenize", given)["tokens"])

    def chat_tokens(self) -> tuple[int, ...]:
        """Return the tokens of a short conversation, up to the reply."""
        return self.tokens(self._post("/apply-template", {"messages": _TURNS})["prompt"])

    def log_probabilities(
        self, ids: Sequence[int], options: Sequence[int]
    ) -> Float[np.ndarray, " option"]:
        """Return the log-probabilities of options behind a text, among each other."""
        top = _TOP
        while True:
            asked = {"prompt": list(ids), "n_predict": 1, "n_probs": top, "temperature": 0.0}
            (step,) = self._post("/completion", asked)["completion_probabilities"]
            found = {entry["id"]: entry["logprob"] for entry in step["top_logprobs"]}
            if found.keys() >= set(options):
                return scipy.special.log_softmax([found[option] for option in options])
            if top >= self._size:
                raise FailureError(
                    "the llama.cpp server leaves out options", "Nothing was written."
                )
            top *= 20

    def can_write(self, ids: Sequence[int]) -> bool:
        """Return whether tokens are written where a request does all it can to have them."""
        asked = {"prompt": _TURNS[0]["content"], "n_predict": 4, "temperature": 0.0}
        asked |= {"return_tokens": True, "logit_bias": [[token, _BIAS] for token in ids]}
        return not set(ids).isdisjoint(self._post("/completion", asked)["tokens"])

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._client.post(path, json=body)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def serving(file: Path, size: int) -> Generator[Server]:
    """Start a llama.cpp server on a free port of this machine, for a while.

    Raises:
        FailureError: It does not start, or fails.
    """
    xllamacpp: Any = importlib.import_module("xllamacpp")  # compiled, without types
    settings = xllamacpp.CommonParams()
    settings.model.path = str(file)
    settings.port, settings.n_ctx, settings.n_parallel = 0, _CONTEXT, 1
    settings.verbosity, settings.warmup, settings.n_gpu_layers = 0, False, 0
    try:
        server = xllamacpp.Server(settings)
        try:
            with httpx2.Client(base_url=server.listening_address, timeout=_TIMEOUT) as client:
                yield Server(client, size)
        finally:
            del server
    except (RuntimeError, httpx2.HTTPError) as error:
        raise FailureError(
            f"llama.cpp cannot serve {file.name}: {first_line(error)}", "Nothing was written."
        ) from error


def prove(
    file: Path,
    source: Path,
    export: Export,
    virtual: VirtualTokens,
    stored: SoftPrompt,
    prefix: str,
) -> tuple[Proof, dict[str, Any]]:
    """Compare a file's answers in llama.cpp with our own.

    Args:
        file: The exported file.
        source: The file that it was made of.
        export: What was exported.
        virtual: The virtual tokens.
        stored: The soft prompt as the file holds it.
        prefix: The text to put in front of a prompt.

    Raises:
        FailureError: Texts have other tokens, virtual tokens are written, or answers differ.
    """
    encoded = [export.model.encode(form) for form in export.forms]
    options = [[option for (option,) in form.options] for form in encoded]
    size = len(export.model.network.get_input_embeddings().weight)
    with serving(source, size) as server:
        plain = [
            server.log_probabilities(form.tokens, labels)
            for form, labels in zip(encoded, options, strict=True)
        ]
        texts = [(form.text, server.tokens(form.text)) for form in export.forms]
    with serving(file, size) as server:
        _check_tokens(server, texts, virtual, prefix)
        if server.can_write(list(virtual.ids.values())):
            raise FailureError(
                "this llama.cpp writes the virtual tokens: it does not keep to the file's list of tokens that "
                "are never to be written",
                "Nothing was written. Update it: pip install -U xllamacpp.",
            )
        cultured = [
            server.log_probabilities(
                virtual.among(form.tokens, form.prompt_at("before-answer")), labels
            )
            for form, labels in zip(map(export.model.encode, export.shown), options, strict=True)
        ]
    untouched, _ = _differences(plain, option_probabilities(export, None))
    difference, same = _differences(cultured, option_probabilities(export, stored))
    if difference > SHARE * untouched + REST:
        raise FailureError(
            f"the file answers differently in llama.cpp: the log-probability of an option is off by "
            f"{difference:.2g}, that of the untouched file by {untouched:.2g}",
            "Nothing was written. Serve the prompt with acculturate itself.",
        )
    proof = Proof(len(export.forms), difference, effect_of(export))
    return proof, {"untouched": untouched, "same_order": same}


def _check_tokens(
    server: Server,
    texts: Sequence[tuple[str, tuple[int, ...]]],
    virtual: VirtualTokens,
    prefix: str,
) -> None:
    """Check that the template, and the text to put in front, give the virtual tokens in their place."""
    chat = server.chat_tokens()
    known = set(virtual.ids.values())
    right = chat == virtual.among([token for token in chat if token not in known])
    if virtual.placement != "before-answer":
        right &= all(server.tokens(prefix + text) == virtual.among(ids) for text, ids in texts)
    if not right:
        raise FailureError(
            "llama.cpp does not put the virtual tokens in their place",
            "Nothing was written. Serve the prompt with acculturate itself.",
        )


def _differences(
    theirs: Sequence[Float[np.ndarray, " option"]], own: Float[np.ndarray, "form option"]
) -> tuple[float, int]:
    """Return the largest difference of a log-probability, and the number of forms with the same order."""
    largest, same = 0.0, 0
    for answers, probabilities in zip(theirs, own, strict=True):
        ours = np.log(probabilities[: len(answers)])
        largest = max(largest, float(np.abs(answers - ours).max()))
        same += bool((np.argsort(answers) == np.argsort(ours)).all())
    return largest, same
