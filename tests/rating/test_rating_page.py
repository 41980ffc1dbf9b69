"""The rating driven as raters and mishaps drive it: in a real browser, by keyboard, and with kill -9."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

import pytest
from planted import make_folder

from acculturate.rating.log import last_ratings, read_events
from acculturate.rating.report import open_rating

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@contextmanager
def serving(folder: Path, port: int = 0):
    """A server in a process of its own, killed at the end at the latest; gives it and its address."""
    command = [
        sys.executable,
        "-m",
        "acculturate",
        "rate",
        "serve",
        str(folder),
        "--port",
        str(port),
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "500"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stderr is not None
            said = server.stderr.readline()
            found = re.search(r"http://[\d.:]+", said)
            assert found, said + server.stderr.read()
            yield server, found.group()
        finally:
            server.kill()


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on(
        "console", lambda m: page.faults.append(m.text) if "Content Security" in m.text else None
    )
    page.set_default_timeout(60_000)
    yield page
    assert page.faults == []
    context.close()


def place(page) -> int:
    return int(re.findall(r"\d+", page.locator("#place").inner_text())[0])


def rate_one(page, keys="112"):
    """Judges the pair that is shown and waits for the next."""
    before = page.locator("#place").inner_text()
    for key in keys:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.wait_for_function(
        "before => document.getElementById('pair').hidden"
        " || document.getElementById('place').textContent !== before",
        arg=before,
    )


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_rater_does_twelve_pairs_by_keyboard_reloads_goes_back_and_finishes(tmp_path, page):
    make_folder(tmp_path)
    with serving(tmp_path) as (_, url):
        page.goto(url)
        page.get_by_role("button", name="I agree, begin").press("Enter")
        page.get_by_text("Pair 1 of 12").wait_for()
        code = page.locator("#own").inner_text()
        for _ in range(5):
            rate_one(page)
        wait_for(lambda: len(last_ratings(read_events(tmp_path))) == 5)
        page.reload()
        page.get_by_text("Pair 6 of 12").wait_for()
        page.keyboard.press("Backspace")  # back to the fifth, changed with a reason
        page.get_by_text("Pair 5 of 12").wait_for()
        assert page.locator("[name=typical][value=left]").is_checked()
        page.keyboard.press("3")
        page.keyboard.press("r")
        page.keyboard.type("tea, not coffee")
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        for number in range(6, 13):
            assert place(page) == number
            rate_one(page, "321" if number % 2 else "214")
        page.get_by_text("You judged all 12 pairs. All of it is kept").wait_for()
        page.reload()
        page.get_by_text("You judged all 12 pairs.").wait_for()
        assert page.locator("#own").text_content() == code
    events = read_events(tmp_path)
    # A reload can come between a rating on the disk and the answer that says so; it is sent again then.
    assert len({event.rating for event in events if event.rating}) == 13
    ratings = [event.rating for event in last_ratings(events).values()]
    assert len(ratings) == 12 and sum(rating.again for rating in ratings) == 1
    changed = next(rating for rating in ratings if rating.reason)
    assert (changed.typical, changed.better, changed.reason) == ("right", "left", "tea, not coffee")
    assert sorted(rating.marked for rating in ratings) == sorted(
        ["none"] * 5 + ["both", "left"] * 3 + ["both"]
    )
    assert len(open_rating(tmp_path).judgements) == 12


@pytest.mark.slow
def test_a_killed_server_and_a_full_disk_lose_nothing_of_a_rater(tmp_path, page):
    make_folder(tmp_path)
    with serving(tmp_path) as (server, url):
        port = int(url.rpartition(":")[2])
        page.goto(url)
        page.get_by_role("button", name="I agree, begin").click()
        page.get_by_text("Pair 1 of 12").wait_for()
        rate_one(page)
        wait_for(lambda: len(last_ratings(read_events(tmp_path))) == 1)
        server.send_signal(signal.SIGKILL)
        server.wait()
        for _ in range(2):
            rate_one(page)
        page.get_by_text("The server does not answer. Your last 2 judgements are kept").wait_for()
    assert len(last_ratings(read_events(tmp_path))) == 1
    with serving(tmp_path, port):
        wait_for(lambda: len(last_ratings(read_events(tmp_path))) == 3)
        body = json.dumps(
            {"error": {"message": "The server could not keep this: the disk is full."}}
        )
        page.route("**/api/ratings", lambda route: route.fulfill(status=507, body=body))
        rate_one(page)
        page.get_by_text("the disk is full. Your last judgement is kept").wait_for()
        page.once("dialog", lambda dialog: dialog.accept())  # the page warns before it is left
        page.reload()
        page.get_by_text("Pair 5 of 12").wait_for()
        page.unroute("**/api/ratings")
        wait_for(lambda: len(last_ratings(read_events(tmp_path))) == 4)


def test_judgements_are_sent_under_their_own_code_and_hold_up_no_others(tmp_path, page):
    make_folder(tmp_path)
    begin = page.get_by_role("button", name="I agree, begin")
    with serving(tmp_path) as (_, url):
        page.goto(url)
        begin.click()
        page.get_by_text("Pair 1 of 12").wait_for()
        page.route("**/api/**", lambda route: route.abort())
        rate_one(page)
        page.get_by_text("Your last judgement is kept").wait_for()
        kept = json.loads(page.evaluate("localStorage.getItem('rate.waiting')"))
        unknown = [{**kept[0], "code": "AAAA-AAAA"}]
        page.evaluate(
            "waiting => localStorage.setItem('rate.waiting', waiting)", json.dumps(unknown + kept)
        )
        page.once("dialog", lambda dialog: dialog.accept())
        page.reload()
        page.get_by_text("The server does not answer.").wait_for()
        page.unroute("**/api/**")
        begin.click()
        page.get_by_text("Pair 1 of 12").wait_for()
        rate_one(page)
        left = json.dumps(unknown, separators=(",", ":"))
        page.wait_for_function("left => localStorage.getItem('rate.waiting') === left", arg=left)
        page.get_by_role("button", name="Leave").click()
        begin.wait_for()
    assert len({event.rater for event in read_events(tmp_path) if event.rating}) == 2


@pytest.mark.slow
def test_a_code_in_two_windows_is_told_and_goes_on_where_the_rater_says(tmp_path, page, browser):
    make_folder(tmp_path)
    with serving(tmp_path) as (_, url):
        page.goto(url)
        page.get_by_role("button", name="I agree, begin").click()
        page.get_by_text("Pair 1 of 12").wait_for()
        code = page.locator("#own").inner_text()
        context = browser.new_context(viewport={"width": 390, "height": 800})
        other = context.new_page()
        other.goto(url)
        other.get_by_label("Been here before?").fill(code.lower())
        other.get_by_role("button", name="Go on", exact=True).click()
        other.get_by_text("Pair 1 of 12").wait_for()
        assert other.evaluate("document.documentElement.scrollWidth") <= 390
        rate_one(page)
        page.get_by_text("opened in another window").wait_for()
        assert not last_ratings(read_events(tmp_path))
        page.get_by_role("button", name="Go on here").click()
        wait_for(lambda: len(last_ratings(read_events(tmp_path))) == 1)
        page.get_by_text("Pair 2 of 12").wait_for()
        context.close()


@pytest.mark.slow
def test_kill_nine_amid_ratings_loses_no_confirmed_one(tmp_path):
    make_folder(tmp_path, 200)

    def post(url, path, body):
        request = urllib.request.Request(f"{url}{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    confirmed: list[tuple[str, int]] = []
    for _ in range(2):
        with serving(tmp_path) as (server, url):

            def rate(url=url):
                code = post(url, "/api/open", {"window": "w"})["code"]
                given = {"typical": "left", "better": "tie", "marked": "none"}
                for at in range(220):
                    body = {"window": "w", "code": code, "place": at, "reason": f"{at}", **given}
                    try:
                        post(url, "/api/ratings", body)
                    except (OSError, HTTPException):  # cut off in the middle, too
                        return
                    confirmed.append((code, at))

            raters = [threading.Thread(target=rate) for _ in range(3)]
            before = len(confirmed)
            for rater in raters:
                rater.start()
            wait_for(lambda before=before: len(confirmed) >= before + 12)
            server.send_signal(signal.SIGKILL)
            for rater in raters:
                rater.join()
    kept = {
        (event.rater, int(event.rating.reason)) for event in read_events(tmp_path) if event.rating
    }
    assert set(confirmed) <= kept and len(kept) <= len(confirmed) + 6
