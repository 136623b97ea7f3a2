"""What Invoke's parser lacks, in one place: a task that takes any number of names, none included, and says so.

Invoke knows required single positionals only (`missing_positional_args` asks for `value is None`, both
while reading and at the end), so the end has to be told. Nothing changes for tasks that do not use `Names`.
"""

from __future__ import annotations

import sys
from typing import Any

from invoke import Exit, Program, Task
from invoke.parser import Argument, ParserContext
from invoke.parser.context import to_flag
from invoke.parser.parser import ParseMachine


class Names(Argument):
    """A positional that goes on eating tokens until its task ends; its value is a list."""

    fed = False

    @property
    def typed(self) -> str:
        """As help shows it: `SERVICE...`."""
        return f"{str(self.name).upper()}..."

    @property
    def value(self) -> Any:
        """None while there is room for more, which is all that Invoke asks."""
        return list(self._value or []) if self.fed else None

    @value.setter
    def value(self, token: str) -> None:
        self.raw_value = token
        self._value = [*(self._value or []), token]


class Verb(Task):  # type: ignore[type-arg]
    """A task whose list arguments may be given as bare words: `inv restart api db`."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Invoke's arguments, with every positional list as `Names`."""
        arguments = super().get_arguments(ignore_unknown_help)
        for argument in arguments:
            if argument.positional and argument.kind is list:
                argument.__class__ = Names
        return arguments


def typed(context: ParserContext) -> str:
    """What a person types for a task: `upgrade`, where Invoke calls it `upgrade.start`."""
    return min((context.name or "", *context.aliases), key=len)


def words_of(context: ParserContext) -> list[Names]:
    """The bare words that a task takes."""
    return [argument for argument in context.positional_args if isinstance(argument, Names)]


class _AsTyped(str):
    """A task's name by which Invoke looks it up, and which it shows as a person types it, with the words behind it."""

    context: ParserContext

    def __format__(self, spec: str) -> str:
        return " ".join([typed(self.context), *(f"[{each.typed}]" for each in words_of(self.context))])


_print_task_help = Program.print_task_help
_help_tuples = ParserContext.help_tuples
_handle = ParseMachine.handle
_complete_context = ParseMachine.complete_context


def _open_lists(machine: ParseMachine) -> list[Names]:
    return words_of(machine.context) if machine.context else []


CHOOSES = ("from", "only", "platform", "reset", "task")  # flags that say which; without them it is all, or ours


def _refuse(machine: ParseMachine, token: str) -> None:
    """An empty name is never all of them (`--only "$NAME"`), and no second value is read as the next task."""
    flag: Any = machine.flag
    given = machine.context.flags.get(token) if machine.context else None
    if given is not None and given.takes_value and given.kind is not list and given.raw_value is not None:
        _usage(f"{token} stands there twice")
    if not token and flag is not None and machine.waiting_for_flag_value and flag.name.strip("_") in CHOOSES:
        _usage(f"--{flag.name.strip('_')} needs a value, and this one is empty")
    if not token and not machine.waiting_for_flag_value and _open_lists(machine):
        _usage("an empty word names nothing")


def _usage(message: str) -> None:
    from autosys_tasks.core.errors import UsageError
    from autosys_tasks.tasks.border.streams import ready_streams
    from autosys_tasks.tasks.border.verb import end_with

    ready_streams()
    end_with(UsageError(message), "--json" in sys.argv)


def handle(machine: ParseMachine, token: str) -> None:
    """A word feeds an open list, a flag never does (`inv down --help`); a wrong value is the parser's error."""
    _refuse(machine, token)
    for names in _open_lists(machine):
        names.fed = token.startswith("-")
    try:
        _handle(machine, token)
    except ValueError:
        machine.error(f"--{machine.flag.name if machine.flag else '?'} does not take {token!r}")


def complete_context(machine: ParseMachine) -> None:
    """Tell every open list that its task has ended, then let Invoke go on."""
    for names in _open_lists(machine):
        names.fed = True
    _complete_context(machine)


def print_task_help(program: Program, name: str) -> None:
    """Invoke's, with a usage line as a person types it; a reader who leaves (`| head`) does no harm."""
    from autosys_tasks.tasks.border.streams import not_shown, ready_streams

    ready_streams(keep=False)
    shown = _AsTyped(name)
    shown.context = program.parser.contexts[name]
    try:
        _print_task_help(program, shown)
        sys.stdout.flush()
    except OSError as error:
        if code := not_shown(error):
            raise Exit(code=code) from error


def help_tuples(context: ParserContext) -> list[tuple[str, str | None]]:
    """Invoke's, with bare words as they are typed, before the flags."""
    words = words_of(context)
    flags = [to_flag(str(each.name)) for each in words]
    shown = [(each.typed, each.help) for each in words]
    return [*shown, *(line for line in _help_tuples(context) if line[0] not in flags)]


Program.print_task_help = print_task_help  # type: ignore[method-assign,assignment]
ParserContext.help_tuples = help_tuples  # type: ignore[method-assign,assignment]
ParseMachine.handle = handle  # type: ignore[method-assign,assignment]
ParseMachine.complete_context = complete_context  # type: ignore[method-assign,assignment]
