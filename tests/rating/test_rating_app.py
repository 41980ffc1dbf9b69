"""The server of a rating: what raters see, what it takes, what it refuses; nothing of it is lost."""

import errno
import json
import os

import pytest
from planted import VARIANTS, make_folder
from starlette.testclient import TestClient

from acculturate.errors import FailureError, UsageError
from acculturate.rating.app import MAX_BODY, open_app
from acculturate.rating.folder import read_pairs
from acculturate.rating.log import last_ratings, read_events
from acculturate.rating.schedule import schedule

GOOD = {"typical": "left", "better": "tie", "marked": "none", "reason": "it sounds like home"}


@pytest.fixture
def folder(tmp_path):
    make_folder(tmp_path)
    return tmp_path


@pytest.fixture
def client(folder):
    with open_app(folder) as app, TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def opened(client, code=None, window="w"):
    return client.post("/api/open", json={"window": window, "code": code}).json()


def judge(client, code, place, window="w", **changed):
    body = {"window": window, "code": code, "place": place, **GOOD, **changed}
    return client.post("/api/ratings", content=json.dumps(body))


def test_every_rater_sees_all_pairs_and_some_again_with_sides_swapped(folder):
    pairs = read_pairs(folder)
    one, other = schedule(pairs, "A"), schedule(pairs, "B")
    assert [shown.pair for shown in one] != [shown.pair for shown in other]
    first = {shown.pair.id: shown for shown in one if not shown.again}
    again = [shown for shown in one if shown.again]
    assert len(first) == 11 and len(again) == 1 and len(one) == 12
    assert first[again[0].pair.id].first_left != again[0].first_left
    assert one.index(again[0]) - one.index(first[again[0].pair.id]) > 4


def test_sides_are_drawn_evenly(folder):
    shown = [
        s for code in range(100) for s in schedule(read_pairs(folder), str(code)) if not s.again
    ]
    assert 0.45 < sum(s.first_left for s in shown) / len(shown) < 0.55


def test_repeats_of_a_large_folder_are_a_tenth_far_from_their_first_showing(tmp_path):
    make_folder(tmp_path, 100)
    order = schedule(read_pairs(tmp_path), "A")
    places = {(s.pair.id, s.again): at for at, s in enumerate(order)}
    gaps = [at - places[name, False] for (name, again), at in places.items() if again]
    assert len(gaps) == 10 and min(gaps) >= 40


def test_nothing_that_is_sent_names_a_variant_and_the_key_may_be_away(folder, client):
    (folder / "key.json").unlink()
    texts = [client.get(path).text for path in ("/", "/rate.js", "/rate.css", "/colours.css")]
    first = client.post("/api/open", json={"window": "w"})
    assert first.status_code == 200
    for text in (*texts[:2], first.text, str(first.headers)):
        assert not any(name in text.lower() for name in (*VARIANTS[:2], "tuned", "untouched"))
    assert client.get("/key.json").status_code == client.get("/ratings.jsonl").status_code == 404


def test_pages_carry_a_strict_policy_and_ask_nobody_else(client):
    for path in ("/", "/rate.js", "/rate.css", "/colours.css"):
        response = client.get(path)
        assert response.status_code == 200
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "http" not in response.text
        assert response.headers["x-content-type-options"] == "nosniff"


def test_a_rater_goes_on_after_a_restart_and_the_last_judgement_counts(folder):
    for round_, side in enumerate(("left", "right")):
        with open_app(folder) as app, TestClient(app, base_url="http://127.0.0.1") as client:
            code = opened(client)["code"] if not round_ else code  # noqa: F821
            again = opened(client, code.lower())
            assert again["code"] == code and len(again["items"]) == 12
            assert [item["rating"] is None for item in again["items"]].count(False) == round_
            assert judge(client, code, 0, typical=side).json() == {"kept": True}
    last = last_ratings(read_events(folder))
    assert [event.rating.typical for event in last.values()] == ["right"]
    assert len([event for event in read_events(folder) if event.rating]) == 2
    shown = schedule(read_pairs(folder), code)[0]
    rating = next(iter(last.values())).rating
    assert (rating.pair, rating.first_left, rating.reason) == (
        shown.pair.id, shown.first_left, GOOD["reason"],
    )  # fmt: skip


def test_two_raters_with_one_code_are_told_and_nothing_is_mixed_up(folder, client):
    code = opened(client, window="x")["code"]
    assert judge(client, code, 0, "x").status_code == 200
    opened(client, code, window="y")
    refused = judge(client, code, 1, "x")
    assert refused.status_code == 409
    assert "opened in another window" in refused.json()["error"]["message"]
    assert judge(client, code, 1, "y").status_code == 200
    opened(client, code, window="x")  # who goes on there says so
    assert judge(client, code, 2, "x").status_code == 200


def test_a_full_disk_is_said_and_the_judgement_can_be_sent_again(folder, client, monkeypatch):
    code = opened(client)["code"]

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        refused = judge(client, code, 0)
        assert (
            refused.status_code == 507 and "the disk is full" in refused.json()["error"]["message"]
        )
        assert client.post("/api/open", json={"window": "w"}).status_code == 507
    assert judge(client, code, 0).status_code == 200
    assert len(last_ratings(read_events(folder))) == 1


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"place": 12}, 400, "no place 12"),
        ({"place": -1}, 400, "place is -1"),
        ({"typical": "middle"}, 400, 'typical is "middle"'),
        ({"marked": "tie"}, 400, "marked"),
        ({"reason": "x" * 3000}, 400, "reason"),
        ({"reason": "x" * MAX_BODY}, 413, ""),
        ({"reason": "\ud800"}, 400, "reason"),
        ({"code": "NOBO-DYIS"}, 404, "not known"),
        ({"code": "../../etc"}, 400, "code"),
        ({"more": 1}, 400, "more is not known"),
    ],
)
def test_wrong_requests_are_one_message(folder, client, change, status, words):
    code = opened(client)["code"]
    response = judge(client, **{"code": code, "place": 0, **change})
    assert response.status_code == status and words in response.text.replace('\\"', '"')
    assert not last_ratings(read_events(folder))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 5000, b'{"place": 1e999}'])
def test_bodies_that_are_no_request_are_refused(client, body):
    for path in ("/api/open", "/api/ratings"):
        assert client.post(path, content=body).status_code == 400
    assert client.get("/api/open").status_code == 405


def test_other_sites_and_hosts_are_kept_out(client):
    evil = {"origin": "http://evil.example"}
    assert client.post("/api/open", json={"window": "w"}, headers=evil).status_code == 403
    assert client.get("/", headers={"host": "evil.example"}).status_code == 403


def test_two_servers_of_one_folder_and_broken_files_are_refused(folder, client):
    with pytest.raises(UsageError, match="another process is writing"), open_app(folder):
        pass
    with pytest.raises(UsageError, match="there are no pairs"), open_app(folder / "nowhere"):
        pass
    broken = folder / "broken"
    make_folder(broken)
    (broken / "ratings.jsonl").write_text("nonsense\n")
    with (
        pytest.raises(FailureError, match=r"ratings.jsonl, line 1 is no valid JSON"),
        open_app(broken),
    ):
        pass
