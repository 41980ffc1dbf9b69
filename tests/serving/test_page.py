"""The page, driven in a real browser: columns, streaming, stop, errors, keyboard, names, hostile texts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from browser import open_browser
from fake_api import FakeApi, fake_run, variants_of
from openai import OpenAI
from serving_apps import server, tiny_variants
from starlette.testclient import TestClient

from acculturate.metrics.content import Content
from acculturate.model import LanguageModel
from acculturate.runs import Run
from acculturate.serving import build_app, make_profiles, page_routes
from acculturate.serving.variants import Variant
from fake_run import KEYS, TARGET, TUNED, shifted, summary

VARIANTS = ["embedded", "embedded+persona:united-states", "embedded+us"]
POLICY = "Content Security Policy"
EVIL = "<img src=x onerror=document.title='pwned'>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def open_page(browser: Any) -> Iterator[Any]:
    """Opens the page of an app; a script that fails and a resource that is refused fail the test."""
    errors: list[str] = []
    with ExitStack() as stack:

        def open(app: Any, **context: Any) -> Any:
            address = stack.enter_context(server(app))
            page = stack.enter_context(browser.new_context(**context)).new_page()
            page.set_default_timeout(60_000)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda line: errors.append(line.text) if POLICY in line.text else 0)
            page.goto(address)
            return page

        yield open
    assert not errors


def answers(page: Any) -> list[str]:
    return [text.strip() for text in page.locator(".answer").all_text_contents()]


def wait_for(page: Any, text: str) -> None:
    page.locator("#status", has_text=text).wait_for()


def test_a_question_is_streamed_in_three_columns_with_the_same_seed(open_page: Any):
    api = FakeApi()
    page = open_page(api.app)
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Temperature").fill("0.3")
    page.get_by_label("Question", exact=True).fill("Who decides <b>at home</b>?")
    page.get_by_role("button", name="Ask").click()
    wait_for(page, "3 answered.")
    said = [f"{name} says with seed 7: <i>Who decides <b>at home</b>?</i>" for name in VARIANTS]
    assert answers(page) == said
    assert page.locator("article b, article i").count() == 0
    assert sorted(asked.pop("model") for asked in api.asked) == sorted(VARIANTS)
    same = {"temperature": 0.3, "top_p": 1, "max_tokens": 160, "seed": 7, "stream": True}
    assert all(asked.items() >= same.items() for asked in api.asked)
    assert page.locator(".end").all_text_contents() == ["Cut off at 160 tokens."] * 3
    assert page.locator("#asked").text_content() == "Who decides <b>at home</b>?"


def test_stop_ends_all_streams_and_keeps_what_came(open_page: Any):
    api = FakeApi()
    page = open_page(api.app)
    page.get_by_label("Question", exact=True).fill("endless")
    page.get_by_role("button", name="Ask").click()
    for column in page.locator(".answer").all():
        column.filter(has_text="and so on").wait_for()
    assert page.locator("article[aria-busy=true]").count() == 3
    page.get_by_role("button", name="Stop").click()
    wait_for(page, "3 stopped.")
    assert page.locator("article[aria-busy]").count() == 0
    assert all("and so on" in text for text in answers(page))
    page.get_by_label("Question", exact=True).fill("and now?")
    page.get_by_role("button", name="Ask").click()
    wait_for(page, "3 answered.")
    deadline = time.monotonic() + 60  # the server notices after its next piece
    while api.gone < 3 and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert api.gone == 3


def test_errors_stand_in_their_column_as_text(open_page: Any):
    page = open_page(FakeApi().app)
    page.get_by_label("Question", exact=True).fill("refuse")
    page.keyboard.press("Enter")
    wait_for(page, "2 answered, 1 failed.")
    assert page.locator(".end.error").all_text_contents() == ["<b>the queue</b> is full"]
    page.get_by_label("Question", exact=True).fill("break")
    page.keyboard.press("Enter")
    wait_for(page, "3 failed.")
    assert page.locator(".end.error").all_text_contents() == ["out of memory"] * 3
    assert answers(page)[0] == "embedded says with"


def test_a_question_that_comes_before_the_columns_waits_for_them(open_page: Any):
    page = open_page(FakeApi().app)
    held: list[Any] = []
    page.route("**/profiles", lambda route: held.append(route))
    page.reload()
    page.get_by_label("Question", exact=True).fill("why?")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    while not held:
        page.wait_for_timeout(50)
    assert answers(page) == []
    held[0].continue_()
    wait_for(page, "3 answered.")


def test_a_setting_out_of_range_is_not_sent(open_page: Any):
    api = FakeApi()
    page = open_page(api.app)
    page.get_by_label("Question", exact=True).fill("why?")
    page.get_by_label("Top p").fill("1.5")
    page.get_by_role("button", name="Ask").click()
    assert page.evaluate("document.activeElement.id") == "top_p"
    assert api.asked == []


def test_by_keyboard_alone(open_page: Any):
    page = open_page(FakeApi().app)
    page.locator("article").first.wait_for()
    order = []
    for _ in range(9):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    settings = ["temperature", "top_p", "max_tokens", "seed"]
    assert order == ["question", "send", *settings, "SUMMARY", "SUMMARY", "SUMMARY"]
    page.get_by_label("Question", exact=True).focus()
    page.keyboard.type("endless")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("really")
    page.keyboard.press("Enter")
    page.locator(".answer", has_text="and so on").first.wait_for()
    page.keyboard.press("Escape")
    wait_for(page, "3 stopped.")
    assert page.locator("#asked").text_content() == "endless\nreally"
    page.keyboard.press("Enter")
    page.locator(".answer", has_text="and so on").first.wait_for()
    for _ in range(2):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "stop"
    page.keyboard.press("Space")
    wait_for(page, "3 stopped.")
    assert page.evaluate("document.activeElement.id") == "question"


def test_names_that_a_screen_reader_says(open_page: Any):
    page = open_page(FakeApi().app)
    page.locator("article").first.wait_for()
    for name in ("Untouched", "Persona line: United States", "Tuned towards United States"):
        assert page.get_by_role("article", name=name, exact=True).count() == 1
        assert page.get_by_role("heading", name=name, exact=True).count() == 1
        assert page.get_by_role("table", name=f"Survey profile: {name}", exact=True).count() == 1
    assert page.get_by_role("status").count() == 1
    tuned = page.get_by_role("table", name="Survey profile: Tuned")
    heads = ["Dimension", "Here", "Untouched", "United States"]
    assert tuned.get_by_role("columnheader").all_text_contents() == heads
    row = tuned.get_by_role("row", name="Individualism")
    assert row.get_by_role("cell").all_text_contents() == ["79.0", "53.5", "91.0"]
    unnamed = "[...document.querySelectorAll('input, textarea')].filter((e) => !e.labels.length)"
    assert page.evaluate(f"{unnamed}.length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(width: int, scheme: str, open_page: Any):
    page = open_page(
        FakeApi([fake_run(), fake_run("Land" * 60, "x" * 200)]).app,
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
    )
    page.locator("article").nth(4).wait_for()
    page.get_by_label("Question", exact=True).fill("w" * 500)
    page.keyboard.press("Enter")
    wait_for(page, "5 answered.")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 28)"
    assert dark == (scheme == "dark")
    opened = page.locator("details[open]").count()
    assert opened == (0 if width == 390 else 5)


def test_nothing_of_a_run_becomes_part_of_the_page(open_page: Any):
    named = replace(summary().dimensions[0], name=EVIL, low=EVIL, high=EVIL)
    made = fake_run(
        EVIL, dimensions=(named, *summary().dimensions[1:]), baselines={"persona": EVIL}
    )
    page = open_page(FakeApi([made]).app)
    page.locator("article").first.wait_for()
    assert page.locator("img").count() == 0
    assert page.get_by_role("heading", name=f"Tuned towards {EVIL}").count() == 1
    assert page.title() == "acculturate: one question, side by side"


def test_the_api_itself_with_a_key_answers_the_page_as_any_client(
    tiny: LanguageModel, open_page: Any
):
    variants = tiny_variants(tiny)
    routes = page_routes(make_profiles(variants.values(), [fake_run("China")]))
    app = build_app(tiny, variants, key="secret", routes=routes)
    page = open_page(app, http_credentials={"username": "", "password": "secret"})
    page.get_by_label("Seed").fill("3")
    page.get_by_label("Most tokens").fill("12")
    page.get_by_label("Question", exact=True).fill("Do you plan your day?")
    page.keyboard.press("Enter")
    wait_for(page, "5 answered.")
    with OpenAI(base_url=f"{page.url}v1", api_key="secret", max_retries=0) as client:
        for column in page.locator("article").all():
            reply = client.chat.completions.create(
                model=column.locator(".model").text_content(),
                messages=[{"role": "user", "content": "Do you plan your day?"}],
                temperature=0.7,
                max_tokens=12,
                seed=3,
            )
            said = reply.choices[0].message.content
            assert column.locator(".answer").evaluate("shown => shown.textContent") == said


def test_files_of_the_page_need_nothing_from_elsewhere():
    client = TestClient(FakeApi().app)
    for path in ("/", "/page.css", "/page.js", "/colours.css"):
        shown = client.get(path)
        assert shown.status_code == 200
        policy = shown.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "//" not in shown.text.replace("http://www.w3.org/2000/svg", "").replace("// ", "")
        assert "innerHTML" not in shown.text
        assert " style=" not in shown.text


def test_profiles_are_the_held_out_scores_of_the_run():
    profiles = TestClient(FakeApi().app).get("/profiles").json()["profiles"]
    assert list(profiles) == VARIANTS
    tuned = {each["key"]: each for each in profiles["embedded+us"]["dimensions"]}
    assert {key: tuned[key]["score"] for key in KEYS} == shifted(TUNED, 3.0)
    assert {key: tuned[key]["target"] for key in KEYS} == TARGET
    assert tuned["pdi"]["untouched"] == profiles["embedded"]["dimensions"][0]["score"]
    assert profiles["embedded"]["dimensions"][0]["untouched"] is None
    assert (
        profiles["embedded+persona:united-states"]["line"]
        == "Answer as a person from United States would."
    )


def test_the_untouched_model_has_no_target_beside_two_countries():
    runs = [fake_run(), fake_run("China", "cn"), fake_run(path="us-2")]
    profiles = make_profiles(variants_of(runs), runs)
    names = ["", "+persona:united-states", "+us", "+us-2", "+persona:china", "+cn"]
    assert list(profiles) == [f"embedded{name}" for name in names]
    assert profiles["embedded"].country is None
    assert {each.target for each in profiles["embedded"].dimensions} == {None}
    assert profiles["embedded+cn"].dimensions[0].target == TARGET["pdi"]
    assert profiles["embedded+persona:china"].title == "Persona line: China"


def test_without_runs_there_is_the_untouched_model_alone():
    assert make_profiles([Variant("m")], [])["m"].dimensions == ()


def _with_content(content: Content) -> Run:
    rows = tuple(
        replace(row, held_out=replace(row.held_out, content=content)) if row.held_out else row
        for row in summary().rows
    )
    return fake_run(rows=rows)


def test_answers_that_are_not_about_the_questions_are_said_to_be_so(open_page: Any):
    content = Content(0.2, (0.1, 0.3), 0.1, {}, None, "places")
    page = open_page(FakeApi([_with_content(content)]).app)
    page.locator("article").first.wait_for()
    warnings = page.locator(".warning:visible").all_text_contents()
    assert len(warnings) == 3
    assert "about places, not about the question" in warnings[0]


def test_what_a_run_did_not_measure_is_left_out(open_page: Any):
    rows = tuple(row for row in summary().rows if row.method != "persona")
    page = open_page(FakeApi([fake_run(rows=rows)]).app)
    page.locator("article").nth(2).wait_for()
    assert page.locator("details").count() == 2
    assert page.get_by_text("No survey profile").count() == 1
