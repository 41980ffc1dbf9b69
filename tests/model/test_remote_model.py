"""Models behind an endpoint: what is asked, how it is read, what is kept, and what goes wrong."""

import json
import logging
import math
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from acculturate.errors import AcculturateError, FailureError, UsageError
from acculturate.metrics import measure_responsiveness
from acculturate.metrics.measure import measure
from acculturate.model import (
    Exchange,
    GeneratingModel,
    ProseModel,
    Query,
    SoftPrompt,
    ask,
    load_model,
)
from acculturate.model.remote.estimate import counting_model
from acculturate.model.remote.patience import Patience
from acculturate.survey import (
    Demonstrations,
    all_forms,
    balanced_forms,
    load_instrument,
    telling,
    with_line,
)
from openai_server import Endpoint, cut, logprob, says, serving, tokens_of, trickle

TOY = load_instrument("toy")
DIGITS = balanced_forms(TOY, "tuning", 2 * len(TOY.items))
WORDS = balanced_forms(TOY, "tuning", 2 * len(TOY.items), labels="words")
QUICK = Patience(seconds=1.0, attempts=3, first_wait=0.01, longest_wait=0.5, requests_at_once=4)
KEY = "sk-" + "s3cret" * 6


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCULTURATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def load(endpoint, patience=QUICK, chat="auto"):
    return load_model(f"openai:{endpoint.url}#{endpoint.model}", patience=patience, chat=chat)


def test_labels_are_read_from_the_likeliest_tokens():
    with serving(Endpoint(chat=False)) as endpoint:
        model = load(endpoint)
        answers = model.ask(None, Query(DIGITS, valid_mass=True))
        assert model.abilities.top == 20 and not model.abilities.style.chat
    for form, row, mass in zip(
        DIGITS, answers.probabilities[0], answers.valid_mass[0], strict=True
    ):
        top = Endpoint().next_tokens(f"{form.text}\n{form.cue}", 20)
        told = np.array([math.exp(top[f" {label}"]) for label in form.labels])
        assert mass == pytest.approx(told.sum())
        assert row[list(form.options)] == pytest.approx(told / told.sum())
    assert isinstance(model, GeneratingModel) and isinstance(model, ProseModel)


def test_a_label_that_is_not_shown_is_bounded_by_the_last_one_that_is():
    with serving(Endpoint(chat=False, top=5)) as endpoint:
        model = load(endpoint)
        answers = model.ask(None, Query(DIGITS, valid_mass=True))
    form = DIGITS[0]
    top = Endpoint().next_tokens(f"{form.text}\n{form.cue}", 5)
    seen = np.array([math.exp(top.get(f" {label}", -math.inf)) for label in form.labels])
    assert (seen == 0).any()
    assert answers.valid_mass[0, 0] == pytest.approx(seen.sum())
    left = 1 - sum(math.exp(value) for value in top.values())
    bound = min(left, math.exp(min(top.values())))
    whole = np.where(seen > 0, seen, bound)
    assert answers.probabilities[0, 0][list(form.options)] == pytest.approx(whole / whole.sum())
    assert "is a bound" in model.tally.sentences[0]


def test_words_are_read_as_whole_sequences():
    with serving(Endpoint(chat=False)) as endpoint:
        answers = load(endpoint).ask(None, Query(WORDS, calibrated=False))
    for form, row in zip(WORDS, answers.probabilities[0], strict=True):
        start = f"{form.text}\n{form.cue}"
        logs = []
        for words in form.labels:
            before, total = start, 0.0
            for token in tokens_of(f"{start} {words}")[len(tokens_of(start)) :]:
                total += logprob(before, token)
                before += token
            logs.append(total)
        shares = np.exp(logs) / np.exp(logs).sum()
        assert row[list(form.options)] == pytest.approx(shares)


def test_a_chat_begins_the_reply_where_it_can_and_has_a_system_message():
    with serving(Endpoint(engine="vllm", prompt_logprobs=True)) as endpoint:
        model = load(endpoint)
        told = telling(DIGITS[:1], "You are from Peru.")
        model.ask(None, Query(told))
        body = endpoint.asked[-1]
        model.ask(None, Query(WORDS[:1], calibrated=False))
        assert model.abilities.words == "prompt_logprobs"
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant"]
    assert body["messages"][0]["content"] == "You are from Peru."
    assert body["messages"][1]["content"] == DIGITS[0].text
    assert body["messages"][2]["content"].strip() == DIGITS[0].cue
    assert body["continue_final_message"] is True and body["add_generation_prompt"] is False
    with serving(Endpoint()) as endpoint:
        load(endpoint).ask(None, Query(DIGITS[:1]))
        assert endpoint.asked[-1]["messages"][-1] == {
            "role": "user", "content": f"{DIGITS[0].text}\n{DIGITS[0].cue}",
        }  # fmt: skip


def test_where_no_probability_is_shown_answers_are_sampled_and_refusals_counted():
    answers = ["1", "I cannot say.", "hm", "2. no"]
    with serving(Endpoint(chat=True, completions=False, top=0, answers=answers)) as endpoint:
        model = load(endpoint)
        found = model.ask(None, Query(DIGITS[:1], valid_mass=True))
        assert endpoint.asked[-1]["n"] == 16 and "seed" in endpoint.asked[-1]
    assert model.tally.kinds == {"valid": 4, "refusal": 4, "unparsable": 8}
    assert found.valid_mass[0, 0] == pytest.approx(0.25)
    counts = np.full(len(DIGITS[0].options), 0.5)
    counts[DIGITS[0].options.index(DIGITS[0].options[0])] += 4
    assert found.probabilities[0, 0][list(DIGITS[0].options)] == pytest.approx(
        counts / counts.sum()
    )
    assert "4 refusals" in model.tally.sentences[0]


@pytest.mark.parametrize(("refused", "sent"), [(("n",), {"seed"}), (("n", "seed"), set())])
def test_where_several_answers_or_seeds_are_refused_each_is_asked_for(refused, sent):
    with serving(Endpoint(completions=False, top=0, refused=refused)) as endpoint:
        model = load(endpoint)
        before = len(endpoint.asked)
        model.ask(None, Query(DIGITS[:2]))
        bodies = endpoint.asked[before:]
        model.ask(None, Query(DIGITS[:2]))
        assert len(endpoint.asked) - before == 2 * 16  # every draw is kept
    assert all({"n", "seed"} & body.keys() == sent for body in bodies)
    if sent:
        assert len({body["seed"] for body in bodies}) == len(bodies)  # forms share none


def test_at_a_limit_what_is_under_way_is_answered_and_kept():
    patience = Patience(max_requests=4, requests_at_once=4)
    with serving(Endpoint()) as endpoint:
        load(endpoint)
        before = len(endpoint.asked)
        waits = iter([0.0, 1.5, 1.5, 1.5])
        endpoint.edit = lambda answer: (time.sleep(next(waits, 0.0)), answer)[1]
        with pytest.raises(UsageError, match="limit of 4 requests"):
            load(endpoint, patience).ask(None, Query(DIGITS))
        load(endpoint).ask(None, Query(DIGITS))
        assert len(endpoint.asked) - before == len(DIGITS)


def test_what_is_known_costs_nothing_and_needs_no_server():
    with serving(Endpoint()) as endpoint:
        first = measure(load(endpoint), TOY, forms=DIGITS)
        asked = len(endpoint.asked)
        again = load(endpoint)
        assert measure(again, TOY, forms=DIGITS) == first
        assert len(endpoint.asked) == asked and again.transport.sent == 0
    offline = load(endpoint)
    assert measure(offline, TOY, forms=DIGITS) == first
    with pytest.raises(FailureError, match="cannot be reached"):
        measure(offline, TOY, forms=all_forms(TOY, labels="letters"))


def test_another_model_behind_the_same_address_is_asked_anew():
    with serving(Endpoint()) as endpoint:
        load(endpoint).ask(None, Query(DIGITS))
        endpoint.engine = "vllm"
        asked = len(endpoint.asked)
        load(endpoint).ask(None, Query(DIGITS))
        assert len(endpoint.asked) > asked + len(DIGITS)
        with pytest.raises(UsageError, match="no model 'other'"):
            load_model(f"openai:{endpoint.url}#other", patience=QUICK)
        endpoint.edit = lambda answer: answer | {"model": "impostor"}
        with pytest.raises(FailureError, match="impostor"):
            load(endpoint).ask(None, Query(all_forms(TOY, labels="letters")))


def test_a_damaged_answer_on_disk_is_asked_again(tmp_path):
    with serving(Endpoint()) as endpoint:
        load(endpoint).ask(None, Query(DIGITS))
        for file in (tmp_path / "cache/answers").rglob("*.json"):
            file.write_text(file.read_text()[:40])
        asked = len(endpoint.asked)
        load(endpoint).ask(None, Query(DIGITS))
        assert len(endpoint.asked) >= asked + len(DIGITS)


@pytest.mark.parametrize(
    "faults",
    [
        [(429, {"Retry-After": "0"})] * 2,
        [(503, {}), (500, {})],
        [(524, {}), (529, {})],
        [cut, cut],
        [says(b"<html>"), says(b'{"a')],
    ],
)
def test_a_passing_fault_is_waited_out(faults):
    with serving(Endpoint()) as endpoint:
        model = load(endpoint)
        endpoint.faults = list(faults)
        whole = model.ask(None, Query(DIGITS[:1]))
        assert not endpoint.faults
        assert whole.probabilities.sum() == pytest.approx(1)


def test_a_passing_fault_of_the_first_request_is_waited_out():
    with serving(Endpoint()) as endpoint:
        endpoint.listing_faults = [says(b"", 503), cut]
        assert load(endpoint).abilities.top == 20
        endpoint.listing_faults, began = [says(b"", 503)] * 9, time.monotonic()
        load(endpoint)  # of an endpoint that is known the listing is asked for once
        assert len(endpoint.listing_faults) == 8 and time.monotonic() - began < 5


def test_what_failed_while_an_endpoint_was_probed_is_probed_again():
    with serving(Endpoint(chat=False)) as endpoint:
        endpoint.faults = [None, None, *[(500, {})] * 6]
        assert load(endpoint).abilities.top < 20
        assert load(endpoint).abilities.top == 20


def test_a_server_on_this_machine_is_asked_without_a_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with serving(Endpoint()) as endpoint:
        assert load(endpoint).abilities.top == 20


def test_what_the_environment_says_wrongly_is_named(monkeypatch, tmp_path):
    away = "openai:https://192.0.2.1/v1#m"
    for variable, value in (
        ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ("HTTPS_PROXY", "foo://x"),
        ("SSL_CERT_FILE", str(tmp_path / "nothing.pem")),
    ):
        with monkeypatch.context() as context:
            context.setenv(variable, value)
            with pytest.raises(UsageError, match="proxy and certificates") as caught:
                load_model(away, patience=QUICK)
            assert variable in (caught.value.hint or "")
    monkeypatch.setenv("OPENAI_API_KEY", "\u201csk-abcdefghijkl\u201d")
    with pytest.raises(UsageError, match="OPENAI_API_KEY holds"):
        load_model(away, patience=QUICK)
    with pytest.raises(UsageError, match="is no URL"):
        load_model("openai:https://a..b/v1#m")


def test_every_attempt_counts_as_a_request():
    with serving(Endpoint()) as endpoint:
        load(endpoint)
        before, endpoint.faults = len(endpoint.asked), [cut] * 100
        with pytest.raises(AcculturateError, match="limit of 2 requests"):
            load(endpoint, replace(QUICK, max_requests=2)).ask(None, Query(DIGITS[:1]))
        assert len(endpoint.asked) - before == 2


def test_half_a_pair_of_surrogates_is_no_fault():
    with serving(Endpoint(chat=False, answers=["\ud83d"])) as endpoint:
        assert load(endpoint).continue_text("Once") == "?"


@pytest.mark.parametrize(
    "shape",
    [{"logprobs": {"content": [{"token": "1", "top_logprobs": 5}]}}, {"logprobs": {"content": 5}}],
)
def test_answers_of_another_shape_are_none(shape):
    with serving(Endpoint()) as endpoint:
        endpoint.listed = {"aliases": 5, "meta": 5, "owned_by": "acculturate"}
        endpoint.edit = lambda answer: {"choices": [answer["choices"][0] | shape]}
        assert load(endpoint).abilities.top == 0
        endpoint.listing_faults = [says(b'{"data": 5}')]
        with pytest.raises(UsageError, match="has no list of models"):
            load_model(f"openai:{endpoint.url}#", patience=QUICK)


def test_an_endpoint_that_is_busy_is_not_taken_for_one_that_cannot():
    with serving(Endpoint(chat=False)) as endpoint:
        endpoint.faults = [(429, {}), (503, {})]
        assert load(endpoint).abilities.top == 20
    with serving(Endpoint(chat=False)) as endpoint:
        endpoint.faults = [(429, {})] * 100
        with pytest.raises(FailureError, match="429, 3 times in a row"):
            load(endpoint)
        endpoint.faults = []
        assert load(endpoint).abilities.top == 20
    with serving(Endpoint()) as endpoint:
        endpoint.faults = [(500, {})] * 100
        with pytest.raises(UsageError, match=r"does not take a chat or text .* status 500"):
            load(endpoint)


def test_what_stands_in_front_of_a_form_is_shown():
    shown = Demonstrations(TOY, {"plans": 1, "whims": 5, "crowd": 3, "alone": 1}, 2)
    (form,) = shown.before(DIGITS[:1])
    with serving(Endpoint(chat=False)) as endpoint:
        load(endpoint).ask(None, Query([form]))
        prompt = endpoint.asked[-1]["prompt"]
    assert prompt.rstrip() == f"{form.dialogue}{form.text}\n{form.cue}"
    (context,) = with_line([form], "Peru is a country.")
    with serving(Endpoint(engine="vllm", prompt_logprobs=True)) as endpoint:
        load(endpoint).ask(None, Query([context]))
        *turns, asked, _ = endpoint.asked[-1]["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 2
    assert turns[0]["content"] == form.examples[0].question
    assert turns[1]["content"] == f"{form.cue} {form.examples[0].answer}"
    assert asked == {"role": "user", "content": f"Peru is a country.\n{form.text}"}


def shows(tokens):
    return says(b'{"choices": [{"logprobs": {"content": [{"top_logprobs": [%s]}]}}]}' % tokens)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ((429, {}), "429, 3 times in a row"),
        ((500, {}), "500, 3 times"),
        (cut, "broke the connection"),
        (says(b"no json"), "no JSON"),
        (trickle, "takes longer than|no answer within"),
        ((429, {"Retry-After": "3600"}), "left alone for"),
        ((302, {"Location": "http://127.0.0.1:1/"}), "redirects"),
        ((401, {}), "OPENAI_API_KEY"),
        (says(b'{"error": {"message": "\\u001b[31mno"}}', 400), "␛"),
        (says(b"[1]"), "refuses the request"),
        (says(b"{}"), "no choices"),
        (says(b'{"choices": [{"text": "x"}]}'), "no log-probabilities"),
        (shows(b'{"token": "1", "logprob": NaN}'), "gives nan as a log-probability"),
        (shows(b'{"token": "1"}'), "lacks a log-prob"),
        (shows(b""), "no log-probabilities"),
    ],
)  # fmt: skip
def test_a_lasting_fault_ends_in_a_message_and_loses_nothing(fault, message):
    with serving(Endpoint()) as endpoint:
        model = load(endpoint)
        model.ask(None, Query(DIGITS))
        endpoint.faults, began = [fault] * 100, time.monotonic()
        with pytest.raises(AcculturateError, match=message) as caught:
            model.ask(None, Query(all_forms(TOY, labels="letters")[:1]))
        assert time.monotonic() - began < 60 and (
            caught.value.hint or "Set it" in str(caught.value)
        )
        endpoint.faults, asked = [], len(endpoint.asked)
        model.ask(None, Query(DIGITS))
        assert len(endpoint.asked) == asked


def test_limits_end_it_and_a_higher_one_goes_on():
    with serving(Endpoint()) as endpoint:
        load(endpoint)
        before = len(endpoint.asked)
        with pytest.raises(UsageError, match="limit of 5 requests"):
            load(endpoint, Patience(max_requests=5)).ask(None, Query(DIGITS))
        assert len(endpoint.asked) - before <= 5
        with pytest.raises(UsageError, match="limit of 20 tokens"):
            load(endpoint, Patience(max_tokens=20)).ask(None, Query(DIGITS))
        load(endpoint).ask(None, Query(DIGITS))
        assert len(endpoint.asked) - before == len(DIGITS)


def test_an_estimate_sends_nothing_and_counts_what_is_sent():
    with serving(Endpoint(chat=False)) as endpoint:
        name = f"openai:{endpoint.url}#toy"
        unknown, counting = counting_model(name, "auto")
        ask(unknown, None, Query(WORDS))
        assert not endpoint.asked and counting.sent == sum(len(form.labels) for form in WORDS)
        model = load(endpoint)
        model.ask(None, Query(DIGITS[:3]))
        asked = len(endpoint.asked)
        known, counting = counting_model(name, "auto")
        measure(known, TOY, forms=DIGITS)
        measure_responsiveness(known, TOY)
        assert (counting.known, len(endpoint.asked)) == (3, asked)
        measure(model, TOY, forms=DIGITS)
        measure_responsiveness(model, TOY)
        assert len(endpoint.asked) == asked + counting.sent


def test_the_key_is_in_no_file_log_or_message(monkeypatch, tmp_path, caplog, capfd):
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []

    def parrot(answer):
        return answer | {"echo": KEY, "choices": [{**answer["choices"][0], "text": KEY}]}

    with serving(Endpoint(edit=parrot)) as endpoint, warnings.catch_warnings(record=True) as told:
        model = load_model(f"openai@MY_KEY:{endpoint.url}#toy", patience=QUICK)
        model.ask(None, Query(DIGITS))
        assert endpoint.keys[-1] == f"Bearer {KEY}"
        for fault in (
            (401, {}),
            (500, {}),
            says(KEY.encode()),
            says(b'{"error": "%s"}' % KEY.encode(), 400),
            says(b'{"error": "%s"}' % "".join(f"\\u{ord(c):04x}" for c in KEY).encode(), 400),
        ):
            endpoint.faults = [fault] * 3
            with pytest.raises(AcculturateError) as caught:
                model.ask(None, Query(all_forms(TOY, labels="letters")[:1]))
            error: BaseException | None = caught.value
            while error is not None:
                seen += [str(error), repr(error), str(getattr(error, "hint", ""))]
                error = error.__cause__
    with pytest.raises(AcculturateError) as caught:
        load_model(f"openai:http://user:{KEY}@127.0.0.1:1/v1#x")
    seen += [
        str(caught.value),
        str(caught.value.hint),
        str(model.provenance()),
        repr(vars(model.transport)),
    ]
    seen += [caplog.text, *capfd.readouterr(), *(str(warning.message) for warning in told)]
    seen += [file.read_text() for file in Path(tmp_path).rglob("*") if file.is_file()]
    assert len(seen) > 30 and not [text for text in seen if KEY in text or KEY[3:] in text]


def test_a_key_is_not_sent_over_a_network_that_can_be_read(monkeypatch):
    from acculturate.model.remote.address import read_address

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert read_address("openai:http://192.0.2.1:8000/v1#m").key() is None
    for url in (
        "https://192.0.2.1/v1",
        "http://127.0.0.1:1/v1",
        "http://localhost/v1",
        "http://[::1]:2/v1",
    ):
        assert read_address(f"openai:{url}#m").key() is not None


@pytest.mark.parametrize(
    "name",
    [
        "openai:",
        "openai:ftp://x#m",
        "openai:http://#m",
        "openai:http://a?key=1#m",
        "openai:http://u@a/v1",
    ],
)
def test_a_name_that_is_none(name):
    with pytest.raises(UsageError) as caught:
        load_model(name)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["http://localhost:8000/v1", "OpenAI:http://localhost/v1"])
def test_an_address_is_no_name_of_a_model(name):
    with pytest.raises(UsageError, match="is no name of a model") as caught:
        load_model(name)
    assert "openai:BASE_URL#NAME" in (caught.value.hint or "")


def test_embeddings_are_of_an_endpoint():
    with pytest.raises(UsageError, match="fake has its own embeddings"):
        load_model("fake", embeddings="somewhere")


def test_a_soft_prompt_is_refused():
    with serving(Endpoint()) as endpoint:
        model = load(endpoint)
        with pytest.raises(UsageError, match="takes no soft prompt"):
            measure(
                model,
                TOY,
                soft_prompt=SoftPrompt(np.zeros((2, 4), np.float32), "front", "x"),
                forms=DIGITS,
            )
        with pytest.raises(UsageError, match="takes no soft prompt"):
            model.embedding_scale()


def test_texts_that_are_drawn_share_no_chance():
    with serving(Endpoint(chat=False)) as endpoint:
        model = load(endpoint)
        before = len(endpoint.asked)
        model.generate_answers(DIGITS[:3], seed=0)
        model.reply(["Why?", "How?"], seed=0)
        seeds = [body["seed"] for body in endpoint.asked[before:]]
        assert len(set(seeds)) == 5


def test_written_answers_and_texts():
    with serving(Endpoint(chat=False, answers=[" 2\nand so on"])) as endpoint:
        model = load(endpoint)
        assert model.generate_answers(DIGITS[:2]) == ("2", "2")
        assert model.reply(["Why?"]) == ("2\nand so on",)
        assert model.continue_text("Once") == " 2\nand so on"
        reading, other = model.read_texts(["A plain text.", Exchange("Why?", "Because of it.")])
        assert len(reading.surprise) == len(tokens_of("A plain text.")) - 1
        assert len(other.surprise) == len(tokens_of(" Because of it."))
        answers = ask(model, None, Query(texts=("A plain text.",)))
        assert answers.perplexity[0] == pytest.approx(np.exp(reading.surprise.mean()))
        assert answers.divergence[0] == 0
    assert json.dumps(model.provenance())
