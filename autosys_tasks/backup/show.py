"""What is said of backups and of the runs that make them: lines for a person, fields of a document. Prints nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from autosys_tasks.backup.owner import foreign_owner
from autosys_tasks.backup.record import Report, verdict
from autosys_tasks.backup.values import DECLARE, FOLDER, HARDLINK, LINK, Backup, Damage, Entry
from autosys_tasks.core.clock import counted, size, span, utc_text

NOTHING: Mapping[str, str] = {}


def run_lines(report: Report) -> list[str]:
    """How a run ended; the verdict last, with what to type when it is red."""
    bad = [each for each in report.outcomes if each.ok is False]
    notes = [each for each in report.notes if not each.startswith("WARN ")]  # these were said as they came
    said = [*notes, *(f"NG {each.step.target}: {each.detail}" for each in bad)]
    hint = ["   -> mend it, then inv backup; inv health says what is required"] if report.code else []
    return [*said, f"{verdict(report)}, after {span(report.seconds)}", *hint]


def backup_json(backup: Backup, owner: str, damaged: Mapping[str, str] = NOTHING) -> dict[str, object]:
    """One backup as `backup.list` shows it to `owner`; `foreign`: whose it is, None when it is this one's own."""
    return {
        "id": backup.id,
        "kind": backup.kind,
        "created": utc_text(backup.created),
        "files": backup.files,
        "bytes": backup.bytes,
        "verified": backup.verified and backup.id not in damaged,
        "complete": backup.complete,
        "local_only": backup.local_only,
        "note": backup.note or None,
        "base": backup.base or None,
        "encrypted": backup.encrypted,
        "archive_bytes": backup.archive_bytes,
        "damaged": damaged.get(backup.id),
        "foreign": foreign_owner(backup, owner) or None,
    }


def listed_lines(
    backups: Sequence[Backup], others: Sequence[str], owner: str, damaged: Mapping[str, str] = NOTHING, place: str = ""
) -> list[str]:
    """Every backup, the oldest first; then what lies beside them and is none. `place`: the second one they are at."""
    strange = [f"not a backup: {what}" for what in others]
    lines = [*(_line(each, owner, damaged) for each in backups), *strange]
    none = f"there is no backup at `{place}`: inv backup copies to what `copies` of [backup] names"
    return lines or [none if place else "there is no backup yet: inv backup"]


def _line(backup: Backup, owner: str, damaged: Mapping[str, str] = NOTHING) -> str:
    words = [
        *([f"damaged: {damaged[backup.id]}"] if backup.id in damaged else []),
        *(["not verified"] if not backup.verified else []),
        *([f"lacks {len(backup.failed)} of what was asked for"] if backup.failed else []),
        *(["encrypted"] if backup.encrypted else []),
        *(["local only: secrets in clear"] if backup.local_only else []),
        *([f"on {backup.base}"] if backup.base else []),
        *([f"`{backup.note}`"] if backup.note else []),
        *([f"of another workspace, `{other}`"] if (other := foreign_owner(backup, owner)) else []),
    ]
    files = f"{counted(backup.files, 'file')}, {size(backup.bytes)} in {size(backup.archive_bytes)}"
    mark = "NG" if backup.id in damaged else "OK" if backup.verified and backup.complete else "--"
    return f"{mark} {backup.id} {backup.kind}: {', '.join([files, *words])}"


def shown_fields(
    backup: Backup, entries: Iterable[Entry] | None, owner: str, damaged: Mapping[str, str] = NOTHING
) -> dict[str, object]:
    """All that is known of one backup, and everything that can be restored from it."""
    failed = [{"path": one.path or None, "why": one.why, "required": one.required} for one in backup.failed]
    more = {"git": backup.git or None, "archive_sha256": backup.archive_sha256 or None, "failed": failed}
    more["skipped"] = [{"path": one.path or None, "why": one.why} for one in backup.skipped]
    rows = None if entries is None else [_entry_json(entry) for entry in entries]
    return {"backup": backup_json(backup, owner, damaged) | more, "entries": rows}


def _entry_json(entry: Entry) -> dict[str, object]:
    return {
        "path": entry.path,
        "kind": entry.kind,
        "bytes": entry.size,
        "modified": utc_text(entry.mtime_ns / 1e9),
        "mode": f"{entry.mode:04o}",
        "sha256": entry.sha256 or None,
        "link": entry.link or None,
        "flags": list(entry.flags),
    }


def shown_lines(
    backup: Backup, entries: Iterable[Entry] | None, owner: str, damaged: Mapping[str, str] = NOTHING
) -> list[str]:
    """One backup for a person: its content, what is missing, and a line about it."""
    hidden = ["its names are encrypted: AUTOSYS_BACKUP_PASSPHRASE shows them"]
    lines = hidden if entries is None else [_entry_line(entry) for entry in entries]
    lines += [f"not in it, as in no backup: {one.path or 'something'}: {one.why}" for one in backup.skipped]
    lines += [f"NG not in it: {one.path or 'a file'}: {one.why}" for one in backup.failed]
    return [*lines, *([f"git: {backup.git}"] if backup.git else []), _line(backup, owner, damaged)]


def _entry_line(entry: Entry) -> str:
    what = {FOLDER: "folder", LINK: f"-> {entry.link}", HARDLINK: f"= {entry.link}"}.get(entry.kind, size(entry.size))
    flags = f" ({', '.join(entry.flags)})" if entry.flags else ""
    return f"{utc_text(entry.mtime_ns / 1e9)[:16]}Z {what:>9} {entry.path}{flags}"


def verified_fields(backups: Sequence[Backup], checked: int, damaged: Sequence[Damage]) -> dict[str, object]:
    """What a verification found."""
    return {
        "backups": [backup.id for backup in backups],
        "files_checked": checked,
        "damaged": [{"path": one.path, "why": one.why} for one in damaged],
    }


def verified_lines(backups: Sequence[Backup], checked: int, damaged: Sequence[Damage]) -> list[str]:
    """The result of a verification for a person; the verdict last."""
    bad = [f"NG {one.path}: {one.why}" for one in damaged]
    hint = ["   -> a new one: inv backup; what is good of it: inv backup.restore"] if bad else []
    read = f"{counted(checked, 'file')} of {counted(len(backups), 'backup')}"
    if not bad and not checked:
        return [f"WARN: {read} read, which is no evidence: {DECLARE}"]
    return [*bad, *hint, f"{'NG' if bad else 'OK'}: {read} read, {len(bad)} damaged"]
