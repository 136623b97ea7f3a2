"""Questions with a budget: everybody shares one result, and no crash, clock or hurry spends more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import rig
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import wait_for

from autosys_tasks import host
from autosys_tasks.core.errors import StateError
from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import NG, OK, UNKNOWN, WARN
from autosys_tasks.probes import Subject, budget
from autosys_tasks.probes.budget import ask_within_budget

NOW = 1_800_000_000.0
NOBODY = Subject()


def paid(port: int, budget: tuple[int, float] | None = (1, 600.0), **more: object) -> Probe:
    return Probe("http", f"http://127.0.0.1:{port}/", name="lumen", budget=budget, **more)  # type: ignore[arg-type]


def test_a_result_is_shared_until_it_is_due_again(says, reply, tmp_path):
    """P60: probes cost money."""
    web = says(reply())
    first = ask_within_budget(paid(web.port), NOBODY, tmp_path, NOW)
    assert (first.verdict, first.cached_s) == (OK, None)
    again = ask_within_budget(paid(web.port), NOBODY, tmp_path, NOW + 180)
    assert (again.verdict, again.cached_s) == (OK, 180)
    assert again.evidence == f"{first.evidence} (cached 3 min ago)"
    assert len(web.requests) == 1
    assert ask_within_budget(paid(web.port), NOBODY, tmp_path, NOW + 600).cached_s is None
    assert len(web.requests) == 2


def test_without_a_budget_every_question_is_put(says, reply, tmp_path):
    web = says(reply())
    for _ in range(3):
        assert ask_within_budget(paid(web.port, None), NOBODY, tmp_path, NOW).cached_s is None
    assert len(web.requests) == 3
    assert not list(tmp_path.iterdir())


ASKER = """
import sys
from pathlib import Path
from autosys_tasks.core.probe import Probe
from autosys_tasks.probes import Subject, budget
from autosys_tasks.probes.budget import ask_within_budget
sys.stdin.readline()
probe = Probe("http", f"http://127.0.0.1:{sys.argv[1]}/", name="lumen", budget=(1, 600.0), timeout_s=60)
print(ask_within_budget(probe, Subject(), Path(sys.argv[2]), 1.8e9)[0])
"""


def test_20_processes_at_once_make_one_call(server, reply, tmp_path):
    """P60: three scripts asked one endpoint, and were throttled for it."""

    def slowly(connection, _request):
        threading.Event().wait(0.3)
        connection.sendall(reply())

    web = server(slowly)
    argv = [sys.executable, "-c", ASKER, str(web.port), str(tmp_path)]
    crowd = [
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(20)
    ]
    for one in crowd:
        one.stdin.write("\n")
        one.stdin.flush()
    assert [one.communicate(timeout=200)[0].strip() for one in crowd] == [OK] * 20
    assert len(web.requests) == 1


def test_threads_share_as_processes_do(server, reply, tmp_path):
    def slowly(connection, _request):
        threading.Event().wait(0.1)
        connection.sendall(reply())

    web = server(slowly)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask_within_budget(paid(web.port), NOBODY, tmp_path, NOW), range(8)))
    assert len(web.requests) == 1
    assert {answer.verdict for answer in answers} == {OK}
    assert sum(answer.cached_s is None for answer in answers) == 1


def test_fresh_asks_anew_only_while_the_budget_allows(says, reply, tmp_path):
    web = says(reply())
    twice = paid(web.port, (2, 600.0))
    ask_within_budget(twice, NOBODY, tmp_path, NOW)
    assert ask_within_budget(twice, NOBODY, tmp_path, NOW + 60).cached_s == 60
    assert ask_within_budget(twice, NOBODY, tmp_path, NOW + 60, fresh=True).cached_s is None
    refused = ask_within_budget(twice, NOBODY, tmp_path, NOW + 120, fresh=True)
    assert refused.evidence.endswith(
        "(cached 60 s ago; the budget of 2 per 10 min is spent, next call in 8 min)"
    )
    assert len(web.requests) == 2


def test_a_larger_budget_is_spread_over_its_period(says, reply, tmp_path):
    web = says(reply())
    for second in range(0, 600, 10):
        ask_within_budget(paid(web.port, (5, 600.0)), NOBODY, tmp_path, NOW + second)
    assert len(web.requests) == 5
    assert ask_within_budget(paid(web.port, (5, 600.0)), NOBODY, tmp_path, NOW + 599).cached_s < 120


def test_a_throttling_server_is_left_alone_for_as_long_as_it_asked(says, reply, tmp_path):
    """P60: six 429s in a row; each question made it worse."""
    web = says(reply(b"", "429 Slow", "Retry-After: 3600"))
    probe = paid(web.port, (60, 600.0))
    assert ask_within_budget(probe, NOBODY, tmp_path, NOW).verdict == WARN
    for later in (60, 1800, 3599):
        held = ask_within_budget(probe, NOBODY, tmp_path, NOW + later, fresh=True)
        assert (held.verdict, held.why) == (WARN, "throttled, asked to wait 1 h")
        assert "; throttled, next call in " in held.evidence
    assert len(web.requests) == 1
    ask_within_budget(probe, NOBODY, tmp_path, NOW + 3600)
    assert len(web.requests) == 2


def test_without_a_time_to_wait_a_throttling_server_is_left_alone_for_the_period(says, reply, tmp_path):
    web = says(reply(b"", "429 Slow"))
    probe = paid(web.port, (60, 600.0))
    for later in (0, 60, 599):
        ask_within_budget(probe, NOBODY, tmp_path, NOW + later, fresh=True)
    assert len(web.requests) == 1
    ask_within_budget(probe, NOBODY, tmp_path, NOW + 600)
    assert len(web.requests) == 2


def test_a_kill_while_asking_does_not_escape_the_budget(hung, tmp_path):
    argv = [sys.executable, "-c", ASKER, str(hung.port), str(tmp_path)]
    asker = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    asker.stdin.write(b"\n")
    asker.stdin.flush()
    wait_for(lambda: hung.requests)
    asker.kill()
    asker.wait()
    probe = paid(hung.port, timeout_s=10.0)
    answer = ask_within_budget(probe, NOBODY, tmp_path, NOW + 60)
    assert answer.verdict == UNKNOWN
    assert answer.why == "the budget of 1 per 10 min is spent and no result was kept, next call in 9 min"
    assert len(hung.requests) == 1


def test_a_holder_that_never_lets_go_is_not_waited_for_for_ever(says, reply, tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "PATIENCE_S", 0.2)
    web = says(reply())
    probe = paid(web.port, timeout_s=0.1)
    kept = ask_within_budget(probe, NOBODY, tmp_path, NOW)
    lock = host.take_lock(str(tmp_path / "lumen.json.lock"))
    try:
        old = ask_within_budget(probe, NOBODY, tmp_path, NOW + 700)
    finally:
        lock.release()
    assert old.verdict == kept.verdict
    assert "somebody else has been asking for too long" in old.evidence
    assert len(web.requests) == 1


def test_a_changed_question_is_not_answered_with_the_old_result(says, reply, tmp_path):
    web = says(reply())
    ask_within_budget(paid(web.port), NOBODY, tmp_path, NOW)
    changed = ask_within_budget(paid(web.port, status=(503,)), NOBODY, tmp_path, NOW + 60)
    assert (changed.verdict, changed.evidence) == (UNKNOWN, "not asked")
    assert ask_within_budget(paid(web.port, status=(503,)), NOBODY, tmp_path, NOW + 600).verdict == NG
    assert len(web.requests) == 2


def test_a_clock_set_back_a_day_does_not_silence_a_question_for_a_day(says, reply, tmp_path):
    web = says(reply())
    ask_within_budget(paid(web.port), NOBODY, tmp_path, NOW)
    assert ask_within_budget(paid(web.port), NOBODY, tmp_path, NOW - 86_400).cached_s is None
    assert ask_within_budget(paid(web.port), NOBODY, tmp_path, NOW - 86_000).cached_s == 400
    assert len(web.requests) == 2


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "{torn", '{"calls": [1], "question": "x", "at": 0, "answer": 3}']
)
def test_a_book_that_cannot_be_read_is_begun_anew(says, reply, tmp_path, text):
    (tmp_path / "lumen.json").write_text(text, encoding="utf-8")
    assert ask_within_budget(paid(says(reply()).port), NOBODY, tmp_path, NOW).verdict == OK
    assert json.loads((tmp_path / "lumen.json").read_text(encoding="utf-8"))["calls"] == [NOW]


@pytest.mark.only("posix")
def test_a_call_that_cannot_be_entered_is_not_made(says, reply, tmp_path):
    web = says(reply())
    (tmp_path / "file").touch()
    with pytest.raises(StateError):
        ask_within_budget(paid(web.port), NOBODY, tmp_path / "file", NOW)
    (tmp_path / "lumen.json.lock").mkdir()
    with pytest.raises(StateError):
        ask_within_budget(paid(web.port), NOBODY, tmp_path, NOW)
    assert web.requests == []


def test_a_book_holds_no_secret_and_is_private(says, reply, tmp_path):
    web = says(reply())
    probe = paid(web.port, headers={"Authorization": "GEHEIM"}, body="GEHEIM", method="POST")
    ask_within_budget(probe._replace(target=f"{probe.target}?k=GEHEIM"), NOBODY, tmp_path, NOW)
    record = tmp_path / "lumen.json"
    assert "GEHEIM" not in record.read_text(encoding="utf-8")
    assert os.name != "posix" or record.stat().st_mode & 0o077 == 0


def test_any_name_has_a_book_of_its_own(says, reply, tmp_path):
    web = says(reply())
    names = ["a/b", "a-b", "a b", "../up", "책상", "의자", "x" * 300, ""]
    for name in names:
        ask_within_budget(paid(web.port)._replace(name=name), NOBODY, tmp_path / "books", NOW)
    assert len(web.requests) == len(names)
    assert len(list((tmp_path / "books").glob("*.json"))) == len(names)


@settings(max_examples=rig.examples(30))
@given(
    calls=st.integers(1, 3),
    waits=st.lists(st.tuples(st.floats(0, 400), st.booleans()), min_size=1, max_size=12),
)
def test_no_order_of_questions_spends_more_than_the_budget(tmp_path_factory, calls, waits):
    store = tmp_path_factory.mktemp("books")
    probe = Probe("file", "there", name="x", budget=(calls, 600.0))
    subject = Subject(cwd=str(store))
    now, made = NOW, []
    for wait, fresh in waits:
        now += wait
        if ask_within_budget(probe, subject, store, now, fresh=fresh).cached_s is None:
            made.append(now)
    for begin in made:
        assert sum(begin <= at < begin + 599.9 for at in made) <= calls
