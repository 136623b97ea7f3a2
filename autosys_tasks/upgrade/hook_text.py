"""The texts of git's hooks as we write them: one that calls what was there before, then each workspace's own. Pure.

`sh` runs them on every system: git for Windows brings its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

NAMES = ("post-merge", "post-checkout", "post-rewrite")
MARK = "# autosys: made by `inv upgrade.hooks install`, taken away by `inv upgrade.hooks remove`"
BEFORE = ".before-autosys"  # behind the name of the hook that was there
FOLDER = "autosys-hooks"  # in the git folder: a file for each workspace
LOOKS_MIN = 5  # within so many minutes a run that was begun has looked
MANAGERS = {"husky": "husky", "lefthook": "lefthook", "overcommit": "overcommit", "pre-commit.com": "pre-commit"}


def hook(name: str) -> str:
    """The hook itself: what was there before with all that git gives it, whose exit code counts; then ours."""
    return f"""#!/bin/sh
{MARK}
code=0
before="${{0%/*}}/{name}{BEFORE}"
if [ -x "$before" ]; then
    "$before" "$@"
    code=$?
fi
for each in "$(git rev-parse --git-common-dir)/{FOLDER}"/*; do
    if [ -f "$each" ]; then
        sh "$each" {name} "$@"
    fi
done
exit $code
"""


def starter(top: str, folder: str, argv: Sequence[str], state: str, asked: str) -> str:
    """What begins an upgrade of one workspace, in the background, when something came into its own work tree.

    `top`: the work tree as git names it. `state`: what AUTOSYS_STATE was at the installation, "" when nothing.
    `asked`: the file with the number of a run that was begun like this and has not looked yet: what it will see is all
    that came until then, so that a burst of hooks begins one upgrade, and none for each. An old one proves nothing: its
    number may be another's by now.
    """
    given = f"export AUTOSYS_STATE={quote(state)}\n" if state else ""
    return f"""{MARK}
hook=$1
said=$(git rev-parse --show-toplevel --git-dir --local-env-vars) || exit 0
line='
'
[ "${{said%%"$line"*}}" = {quote(top)} ] || exit 0
[ -x {quote(argv[0])} ] && [ -f {quote(folder)}/autosys.toml ] || exit 0
[ "$hook" = post-checkout ] && [ "$4" = 0 ] && exit 0
[ "$hook" = post-rewrite ] && [ "$2" = amend ] && exit 0
said=${{said#*"$line"}}
git=${{said%%"$line"*}}
for each in rebase-merge rebase-apply BISECT_START; do
    [ -e "$git/$each" ] && [ "$hook" != post-rewrite ] && exit 0
done
asked={quote(asked)}
[ -f "$asked" ] && read -r number <"$asked" && kill -0 "$number" 2>/dev/null && \\
    [ "$(find "$asked" -mmin -{LOOKS_MIN} 2>/dev/null)" ] && exit 0
unset GIT_REFLOG_ACTION ${{said#*"$line"}}
cd {quote(folder)} && {{ [ -d outputs/logs ] || mkdir -p outputs/logs; }} || exit 0
export AUTOSYS_WORKSPACE={quote(folder)}
{given}nohup sh -c '{{ echo $$ >"$0"; }} 2>/dev/null; exec "$@"' "$asked" \\
    {' '.join(map(quote, argv))} >>outputs/logs/upgrade.log 2>&1 </dev/null &
exit 0
"""


def manager(text: str, folder: str) -> str:
    """Which tool looks after a hook with this text, or hooks in this folder; "" when none that we know."""
    return next((name for word, name in MANAGERS.items() if word in text.lower() or word in folder.lower()), "")


def call(name: str, number: str) -> str:
    """The line that does the same in a hook that somebody else looks after."""
    return f'sh "$(git rev-parse --git-common-dir)/{FOLDER}/{number}" {name} "$@"'
