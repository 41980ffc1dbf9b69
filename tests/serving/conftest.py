from collections.abc import Iterator

import pytest
from openai import OpenAI
from serving_apps import server, tiny_chat_model, tiny_variants

from acculturate.model import LanguageModel
from acculturate.serving import build_app


@pytest.fixture(scope="package")
def tiny() -> LanguageModel:
    return tiny_chat_model()


@pytest.fixture(scope="package")
def address(tiny: LanguageModel) -> Iterator[str]:
    with server(build_app(tiny, tiny_variants(tiny))) as url:
        yield url


@pytest.fixture(scope="package")
def client(address: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=60) as made:
        yield made
