"""Decides how our block stands, and what putting it in or taking it out would write. Pure."""

from __future__ import annotations

from autosys_tasks.core.plan import Plan, Step
from autosys_tasks.vscode import block_text, entries_text
from autosys_tasks.vscode.jsonc_text import Broken, Node, is_empty, member, parse, plain
from autosys_tasks.vscode.values import AUTO_RUN, FILE, Change, Facts, Status

VERSION = "2.0.0"


def status(facts: Facts) -> Status:
    """How our block stands against what this version would write."""
    if facts.text is None:
        return Status("missing", why=f"there is no {FILE}")
    try:
        if is_empty(facts.text):
            return Status("missing", why=f"{FILE} is empty")
        document = parse(facts.text)
        block, array = block_text.block_of(document), block_text.tasks_of(document)
    except Broken as broken:
        return Status("broken", why=str(broken))
    ours = block.tasks if block else ()
    others = [item for item in (array.items if array else ()) if item not in ours]
    wanted = entries_text.tasks(facts.launcher)
    names = tuple(str(task["label"]) for task in wanted)
    notes = (*_old(document.root), *_doubles(names, set(map(_label, others))))
    if block is None:
        return Status("missing", (), f"{FILE} holds no block of autosys", notes)
    labels = tuple(map(_label, ours))
    why = _difference(ours, block_text.values(wanted), labels, names)
    return Status("differs" if why else "in_sync", labels, why, notes)


def _old(root: Node) -> list[str]:
    found = member(root, "version")
    if found is None or found[1].value == VERSION:
        return []
    return [f'`version` is not "{VERSION}": VS Code does not run our tasks in such a file']


def _doubles(names: tuple[str, ...], others: set[str]) -> list[str]:
    both = [name for name in names if name in others]
    return [f"a task of yours is called `{name}` too: VS Code cannot tell them apart" for name in both]


def _label(item: Node) -> str:
    found = member(item, "label") if item.kind == "object" else None
    return str(found[1].value) if found else "?"


def _difference(
    ours: tuple[Node, ...], wanted: list[object], labels: tuple[str, ...], names: tuple[str, ...]
) -> str:
    """What is not as this version would write it, "" when all is."""
    lacks = [name for name in names if name not in labels]
    strange = [label for label in labels if label not in names]
    said = [f"lacks {', '.join(lacks)}"] if lacks else []
    said += [f"names what this version does not have: {', '.join(strange)}"] if strange else []
    if said:
        return "; ".join(said)
    if list(map(plain, ours)) == wanted:
        return ""
    changed = [name for name, item in zip(labels, ours, strict=True) if plain(item) not in wanted]
    return f"not as generated: {', '.join(changed)}" if changed else "another order, or a task twice"


def sync(facts: Facts) -> Change:
    """Put our block in, or renew it; raises Broken, or block_text.Unsafe when more would change."""
    now = status(facts)
    items = entries_text.tasks(facts.launcher)
    if now.state == "in_sync":
        return Change(Plan("vscode.sync", (), now.notes), facts.text, facts.text)
    is_new = facts.text is None or is_empty(facts.text)
    kind = "create" if is_new else "insert" if now.state == "missing" else "renew"
    after = block_text.created(items, facts.text or "") if is_new else block_text.with_block(facts.text or "", items)
    detail = {"entries": [str(task["label"]) for task in items]}
    order = Plan("vscode.sync", (Step(kind, FILE, now.why, detail),), (*now.notes, AUTO_RUN))
    return Change(order, facts.text, after)


def remove(facts: Facts) -> Change:
    """Take our block out; a file that we made and that holds nothing else goes with it. Raises Broken."""
    if facts.text is None or is_empty(facts.text) or (bare := block_text.without(facts.text)) == facts.text:
        return Change(Plan("vscode.remove"), facts.text, facts.text)
    if block_text.foreign(bare) != block_text.foreign(facts.text):
        raise block_text.Unsafe("the block cannot be taken out of this file without a change elsewhere")
    comments = block_text.before_ours(bare)
    if comments is not None and not comments.strip("\ufeff"):
        step = Step("delete", FILE, "it was made by inv vscode.sync, and nothing else is in it")
        return Change(Plan("vscode.remove", (step,)), facts.text, None)
    step = Step("take-out", FILE, "asked to be removed")
    return Change(Plan("vscode.remove", (step,)), facts.text, bare if comments is None else comments)
