"""Scripts that a pull brought: executable without git noticing, and checked, with the line of a fault."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
import rig
from repos import Repo

from autosys_tasks.core.plan import Outcome, Step
from autosys_tasks.upgrade import script_text, scripts
from autosys_tasks.upgrade.history import see
from autosys_tasks.upgrade.scripts import Looked

GLOBS = ("**/*.sh",)
SH = "#!/bin/sh\necho hello\n"
BROKEN = "#!/bin/sh\necho hello\nif true; then\n  for x in (\nfi\n"
posix = pytest.mark.only("posix")
pytestmark = [pytest.mark.capability("git"), pytest.mark.only("posix")]


def look(
    repo: Repo, last: str, known: Mapping[str, str] | None = None, *, under: str = "", every: bool = False
) -> Looked:
    root = str(repo.root / under)
    return scripts.look(root, see(root, last), {}, known or {}, GLOBS, every=every)


def needs(looked: Looked) -> dict[str, set[str]]:
    return {each.path: {kind for kind, _why in each.needs} for each in looked.scripts}


def act(repo: Repo, kind: str, path: str) -> Outcome:
    return scripts.act(str(repo.root), Step(kind, path, ""))


def all_done(repo: Repo, looked: Looked) -> list[Outcome]:
    done = [act(repo, kind, each.path) for each in looked.scripts for kind, _why in each.needs]
    assert all(outcome.ok for outcome in done), done
    return done


def is_executable(repo: Repo, path: str) -> bool:
    return bool((repo.root / path).stat().st_mode & stat.S_IXUSR)


# --- which ones -------------------------------------------------------------------------------------------


def test_a_pull_brings_scripts_by_name_and_by_their_first_line(origin: Repo, here: Repo) -> None:
    old = here.head()
    origin.commit({
        "bin/시작 하기.sh": SH, "tool": "#!/usr/bin/env python3\nprint(1)\n", "plain.sh": "echo\n", "note.txt": "#\n",
        "node_modules/x/run.sh": SH, "backups/run.sh": SH, "a.txt": "2\n",
    })  # fmt: skip
    here.git("config", "core.fileMode", "false")
    here.git("pull", "--quiet")
    asked = {"chmod", "check"} if os.name == "posix" else {"check"}
    assert needs(look(here, old)) == {"bin/시작 하기.sh": asked, "tool": asked, "plain.sh": {"check"}}


def test_what_was_looked_at_is_not_looked_at_again(origin: Repo, here: Repo) -> None:
    """Planning again after acting gives nothing to do, although the last commit is still the old one."""
    old = here.head()
    origin.commit({"run.sh": SH})
    here.git("pull", "--quiet")
    here.put({"mine.sh": SH})
    first = look(here, old)
    all_done(here, first)
    assert needs(first).keys() == {"run.sh", "mine.sh"}
    assert not look(here, old, first.known).scripts
    here.put({"mine.sh": "echo 2\n"})
    assert needs(look(here, old, first.known)) == {"mine.sh": {"check"}}


def test_without_a_last_upgrade_only_what_is_not_committed_came(here: Repo) -> None:
    """P46: nobody can tell what is new; `--force` looks at all."""
    here.commit({"run.sh": SH})
    here.put({"mine.sh": SH})
    assert needs(look(here, "")).keys() == {"mine.sh"}
    assert needs(look(here, "", every=True)).keys() == {"mine.sh", "run.sh"}


def test_after_a_rewritten_history_everything_may_be_new(here: Repo) -> None:
    """P46"""
    here.commit({"run.sh": SH})
    assert needs(look(here, "0" * 40)).keys() == {"run.sh"}


def test_without_a_repository_only_force_finds_scripts(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text(SH, encoding="utf-8", newline="\n")
    root = str(tmp_path)
    assert not scripts.look(root, see(root), {}, {}, GLOBS).scripts
    found = scripts.look(root, see(root), {}, {}, GLOBS, every=True)
    assert needs(found) == {"run.sh": {"check"}}


def test_a_script_that_is_gone_or_is_a_link_or_a_folder_is_passed_over(origin: Repo, here: Repo) -> None:
    old = here.head()
    origin.commit({"gone.sh": SH, "dir.sh/x.txt": "1\n"})
    here.git("pull", "--quiet")
    here.put({"gone.sh": None})
    try:
        (here.root / "link.sh").symlink_to("a.txt")
    except OSError:  # Windows, without the right to make one
        pass
    assert not look(here, old).scripts


# --- executable -------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("counted", ["true", "false"])
def test_a_new_script_becomes_executable_and_git_sees_nothing(origin: Repo, here: Repo, counted: str) -> None:
    """P63: whether git looks at modes here, or does and keeps no file of the repository executable."""
    old = here.head()
    origin.commit({"run.sh": SH, "sub/도구": "#!/usr/bin/env python3\n", "no-line.sh": "echo\n"})
    here.git("config", "core.fileMode", counted)
    here.git("pull", "--quiet")
    looked = look(here, old)
    assert needs(looked)["run.sh"] == {"chmod", "check"}
    all_done(here, looked)
    assert is_executable(here, "run.sh") and is_executable(here, "sub/도구") and not is_executable(here, "no-line.sh")
    assert here.clean()
    assert here.git("diff", "HEAD") == "" and here.git("ls-files", "--stage", "run.sh").startswith("100644")
    origin.commit({"run.sh": SH + "echo 2\n"})
    here.git("pull", "--quiet")
    assert here.clean()


@posix
def test_only_who_may_read_may_run(here: Repo) -> None:
    here.put({"run.sh": SH})
    (here.root / "run.sh").chmod(0o640)
    act(here, "chmod", "run.sh")
    assert stat.S_IMODE((here.root / "run.sh").stat().st_mode) == 0o750


@posix
def test_a_script_that_we_made_executable_becomes_so_again_when_a_pull_replaces_it(origin: Repo, here: Repo) -> None:
    here.git("config", "core.fileMode", "false")
    old = here.head()
    origin.commit({"run.sh": SH, "other.sh": SH})
    here.git("pull", "--quiet")
    first = look(here, old)
    all_done(here, first)
    (here.root / "other.sh").chmod(0o644)
    middle = here.head()
    origin.commit({"run.sh": SH + "echo 2\n", "a.sh": "echo\n"})
    here.git("pull", "--quiet")
    assert not is_executable(here, "run.sh")  # git has made it anew
    second = look(here, middle, first.known)
    assert needs(second) == {"run.sh": {"chmod", "check"}, "a.sh": {"check"}}
    all_done(here, second)
    assert is_executable(here, "run.sh") and not is_executable(here, "other.sh")


@posix
def test_where_git_keeps_modes_a_script_without_one_is_named_and_left(origin: Repo, here: Repo) -> None:
    """P63: git keeps others executable, so +x would be a change that `git status` shows."""
    old = here.head()
    origin.commit({"run.sh": SH})
    origin.put({"bin/good.sh": SH}).git("add", "--all")
    origin.git("update-index", "--chmod=+x", "bin/good.sh")
    origin.git("commit", "--quiet", "-m", "executable")
    here.git("pull", "--quiet")
    looked = look(here, old)
    assert needs(looked) == {"run.sh": {"check"}, "bin/good.sh": {"check"}}
    assert "git update-index --chmod=+x run.sh" in looked.notes[0]
    assert is_executable(here, "bin/good.sh") and here.clean()


@posix
def test_a_mode_that_a_person_took_away_stays_away(origin: Repo, here: Repo) -> None:
    """P49: a changed mode is an edit."""
    origin.put({"good.sh": SH}).git("add", "--all")
    origin.git("update-index", "--chmod=+x", "good.sh")
    origin.git("commit", "--quiet", "-m", "executable")
    old = here.head()
    here.git("pull", "--quiet")
    (here.root / "good.sh").chmod(0o644)
    assert needs(look(here, old)) == {"good.sh": {"check"}}


@posix
def test_a_workspace_in_a_folder_asks_the_whole_repository_about_modes(here: Repo) -> None:
    here.put({"top.sh": SH})
    (here.root / "top.sh").chmod(0o755)
    old = here.commit()
    here.commit({"sub/run.sh": SH})
    assert needs(look(here, old, under="sub")) == {"run.sh": {"check"}}
    assert scripts.modes_of(str(here.root / "sub"), "sub/").kept["run.sh"] == "100644"


@posix
def test_a_script_that_is_not_committed_is_checked_and_nothing_else(here: Repo) -> None:
    here.put({"mine.sh": SH})
    assert needs(look(here, here.head())) == {"mine.sh": {"check"}}


# --- checks -----------------------------------------------------------------------------------------------

CHECKED = {
    "good.sh": (SH, True, "no fault"),
    "나쁜 것.sh": (BROKEN, False, "line 4: "),
    "bash.sh": ("#!/bin/bash\nx=(1 2)\n[[ $x ]]\nfi\n", False, "line 4: syntax error near unexpected token `fi'"),
    "-n.sh": (BROKEN, False, "line 4: "),
    "good.py": ("#!/usr/bin/env python3\nprint('가')\n", True, "python: no fault"),
    "bad.py": ("#!/usr/bin/env python3\nx = 1\ny = (\n", False, "line 3: '(' was never closed"),
    "script": ("#!/usr/bin/python3 -u\n  x\n", False, "line 2: unexpected indent"),
    "old.py": ("#!/usr/bin/python2\nprint 1\n", None, "not checked: nothing here knows `python2`"),
    "what.sh": ("#!/opt/strange/tool\n", None, "nothing here knows `tool`"),
}


@pytest.mark.capability("bash")
@pytest.mark.parametrize("name", CHECKED)
def test_a_check_names_the_line_and_runs_nothing(here: Repo, name: str) -> None:
    text, ok, said = CHECKED[name]
    here.put({name: text})
    before = sorted(here.root.rglob("*"))
    outcome = act(here, "check", name)
    assert (outcome.ok, said in outcome.detail) == (ok, True), outcome
    assert sorted(here.root.rglob("*")) == before  # no __pycache__ either


@pytest.mark.capability("node")
def test_javascript_is_checked_by_node(here: Repo) -> None:
    here.put(
        {"good.mjs": "#!/usr/bin/env node\nexport const x = 1;\n", "bad": "#!/usr/bin/env node\nlet x;\nlet x = {\n"}
    )
    assert act(here, "check", "good.mjs").ok is True
    bad = act(here, "check", "bad")
    assert bad.ok is False and bad.detail.startswith("line 3: SyntaxError"), bad


@posix
def test_powershell_is_asked_with_its_own_parser(here: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in: it fails unless it is told where the script is, and to parse it."""
    said = "Missing closing ')' in expression."
    stand_in = f"""#!/bin/sh
case "$*" in "-NoProfile -NonInteractive -Command "*ParseFile*AUTOSYS_SCRIPT*) ;; *) exit 0 ;; esac
if grep -q 'if (' "$AUTOSYS_SCRIPT"; then echo "line 2: {said}" >&2; exit 1; fi
"""
    here.put({"bin/pwsh": stand_in, "good.ps1": "$x = 1\n", "나쁜 것.ps1": "$x = 1\nif ($x {\n"})
    (here.root / "bin" / "pwsh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{here.root / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert act(here, "check", "good.ps1").ok is True
    assert act(here, "check", "나쁜 것.ps1")[1:3] == (False, f"line 2: {said}")


@posix
def test_a_checker_that_is_not_there_is_said_and_is_no_ok(here: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(here.root))
    here.put({"run.sh": SH, "t.ps1": "$x\n", "n.js": "x\n", "p.py": "x = 1\n"})
    for name, program in {"run.sh": "sh", "t.ps1": "pwsh", "n.js": "node"}.items():
        assert act(here, "check", name)[1:3] == (None, f"not checked: there is no `{program}` here")
    assert act(here, "check", "p.py").ok is True


@posix
def test_a_checker_that_hangs_is_ended_and_what_a_shell_would_read_first_is_not_read(
    here: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = "#!/bin/sh\nsleep 600 &\necho $! >pid\nwait\n"
    here.put({"run.sh": "#!/bin/bash\necho\n", "env.sh": "touch read\n", "bin/sh": hangs})
    monkeypatch.setenv("BASH_ENV", str(here.root / "env.sh"))
    assert act(here, "check", "run.sh").ok is True and not (here.root / "read").exists()
    (here.root / "bin" / "sh").chmod(0o755)
    shutil.copy(shutil.which("sleep") or "", here.root / "bin")
    monkeypatch.setenv("PATH", str(here.root / "bin"))
    monkeypatch.setattr(scripts, "CHECK_S", 0.5)
    here.put({"run.sh": SH})
    assert "did not end within 0.5 s" in act(here, "check", "run.sh").detail
    rig.wait_for(lambda: not psutil.pid_exists(int((here.root / "pid").read_text())), what="what it had started to end")


def test_a_script_that_went_away_meanwhile_is_a_failed_step(here: Repo) -> None:
    for kind in ("check", "chmod"):
        assert act(here, kind, "none.sh").ok is False


def test_every_kind_of_step_has_an_act_and_a_language_its_checker() -> None:
    from autosys_tasks.upgrade.plan import KINDS

    assert set(scripts.ACTS) | {"install", "restart"} == set(KINDS)
    assert all(script_text.checker(each) for each in script_text.BY_ENDING.values())


@pytest.mark.parametrize(
    ("path", "head", "expected"),
    [
        ("a.sh", b"", "sh"), ("A.SH", b"echo", "sh"), ("a.txt", b"", ""), ("Makefile", b"all:", ""),
        ("a.sh", b"#!/usr/bin/env bash\n", "bash"), ("a.sh", b"#! /bin/zsh -f\n", "zsh"),
        ("x", b"#!/usr/bin/env -S python3.11 -u\n", "python"), ("x", b"#!/usr/bin/env PYTHONUTF8=1 python\n", "python"),
        ("x", b"#!C:\\Python\\pythonw.exe\r\n", "python"), ("x", b"#!/usr/bin/nodejs\n", "node"),
        ("x", b"\xef\xbb\xbf#!/usr/bin/pwsh\n", "powershell"), ("x", b"#!\n", ""), ("x", b"#!/usr/bin/env\n", ""),
        ("x", b"#!/usr/bin/python2.7\n", "python2.7"), ("x", b"#!\xff\xfe\n", "\ufffd\ufffd"), (".sh", b"", "sh"),
    ],
)  # fmt: skip
def test_a_language_is_told_by_the_first_line_else_by_the_name(path: str, head: bytes, expected: str) -> None:
    assert script_text.language(path, head) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("./a b.sh: line 4: syntax error near `fi'\n./a b.sh: line 4: `fi'\n", "line 4: syntax error near `fi'"),
        ("./a b.sh: 4: Syntax error: \"(\" unexpected\n", 'line 4: Syntax error: "(" unexpected'),
        ("./a b.sh:7\n  x\n\nSyntaxError: ended\n    at wrap (node:1:2)\n", "line 7: SyntaxError: ended"),
        ("line 3: Missing closing ')'\nline 4: more\n", "line 3: Missing closing ')'"),
        ("", "refused without a word"), ("something else\n", "something else"),
    ],
)  # fmt: skip
def test_what_a_checker_said_becomes_one_line_with_the_line(said: str, expected: str) -> None:
    assert script_text.fault(said, "./a b.sh") == expected
