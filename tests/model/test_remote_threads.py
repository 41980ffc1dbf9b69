"""Requests at once: a program that ends after an error ends whole, whatever its threads are at."""

import subprocess
import sys

ENDS = """
import io, sys, time
import torch
from acculturate.model.remote.address import Address
from acculturate.model.remote.patience import Patience
from acculturate.model.remote.transport import Transport

def ask(index):
    if index == 0:
        time.sleep(0.2)
        raise ValueError("no answer")
    torch.save(torch.randn(300, 300), io.BytesIO())

torch.set_num_threads(1)
try:
    Transport(Address("http://127.0.0.1:9/v1", "none"), Patience()).each(ask, range(100_000))
except ValueError as error:
    sys.exit(str(error))
"""


def test_an_error_ends_the_threads_that_ask():
    for _ in range(3):
        ended = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True)
        assert (ended.returncode, ended.stderr) == (1, "no answer\n")
