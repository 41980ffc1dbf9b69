"""The log of ratings: on the disk or refused, whole after a kill, last judgement valid."""

import errno
import json
import os

import pytest
from planted import make_folder, rated

from acculturate.errors import FailureError, WriteError
from acculturate.rating.log import Event, RatingLog, last_ratings, read_events, shared_codes


@pytest.fixture
def folder(tmp_path):
    make_folder(tmp_path)
    return tmp_path


def test_every_judgement_is_kept_and_the_last_one_counts(folder):
    log = RatingLog(folder)
    for side in ("left", "right"):
        log.append(rated("A", "p", side))
    log.append(rated("A", "p", "tie", again=True))
    log.close()
    events = read_events(folder)
    assert [event.rating.typical for event in events] == ["left", "right", "tie"]
    last = last_ratings(events)
    assert last["A", "p", False].rating.typical == "right"
    assert last["A", "p", True].rating.typical == "tie"


def test_a_line_that_a_kill_cut_off_is_dropped_and_the_log_goes_on(folder):
    log = RatingLog(folder)
    log.append(rated("A", "p", "left"))
    log.close()
    path = folder / "ratings.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    assert len(read_events(folder)) == 1  # while it is there
    log = RatingLog(folder)
    log.append(rated("A", "q", "right"))
    log.close()
    assert [event.rating.pair for event in read_events(folder)] == ["p", "q"]


def test_a_full_disk_is_said_and_leaves_the_log_whole(folder, monkeypatch):
    log = RatingLog(folder)
    log.append(rated("A", "p", "left"))
    before = (folder / "ratings.jsonl").read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(WriteError, match="the disk is full"):
            log.append(rated("A", "q", "left"))
    assert (folder / "ratings.jsonl").read_bytes() == before
    log.append(rated("A", "q", "left"))
    log.close()
    assert len(read_events(folder)) == 2


def test_a_damaged_line_is_named(folder):
    (folder / "ratings.jsonl").write_text(json.dumps({"time": "", "rater": "A"}) + "\n{}\n")
    with pytest.raises(FailureError, match=r"ratings.jsonl, line 1: window is missing"):
        RatingLog(folder)


def test_a_code_used_by_turns_is_told_and_one_that_moved_is_not():
    def seen(*windows, rater="A"):
        return [rated(rater, f"p{i}", "left", window=window) for i, window in enumerate(windows)]

    assert shared_codes(seen("x", "y", "x")) == ("A",)
    assert shared_codes([*seen("x", "x", "y", "y"), Event("", "A", "x")]) == ()
