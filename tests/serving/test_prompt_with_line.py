"""A soft prompt that was tuned with a line of words is served with it."""

import numpy as np

from acculturate.model import LanguageModel, SoftPrompt
from acculturate.serving.conversation import chat_job
from acculturate.serving.variants import Variant
from tiny_models import tiny_network, tiny_tokenizer


def test_the_line_is_in_front_of_a_conversation_and_the_virtual_tokens_are_too():
    model = LanguageModel("tiny", None, tiny_network("llama"), tiny_tokenizer())
    prompt = SoftPrompt(np.zeros((2, 32), np.float32), "after-bos", "tiny", line="Be tall.")
    job = chat_job(model, Variant("tiny+tall", prompt=prompt), [("user", "Who are you?")])
    assert job.virtual is not None and len(job.virtual) == 2
    assert model.tokenizer.decode(job.tokens).startswith("<bos>Be tall.\n")
