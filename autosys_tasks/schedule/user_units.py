"""Every unit in this user's own folder that systemd starts by itself, whoever wrote it. Reads files, asks nobody."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.core.clock import counted
from autosys_tasks.core.files import decode, read_bytes
from autosys_tasks.schedule import systemd, unit_text
from autosys_tasks.schedule.values import Listing, Site, Starter

Links = Mapping[str, list[Path]]


def listings(site: Site) -> list[Listing]:
    """The enabled units; a masked one, and one that nothing enables, start nothing."""
    folder = systemd.folder()
    try:
        links = _links(folder)
        starters = tuple(_starter(folder, links, name) for name in sorted(links))
    except OSError as error:
        return [Listing.unread(folder, error)]
    return [Listing(counted(len(starters), "user unit"), starters)]


def _links(folder: Path) -> Links:
    """What enabling units has made, by the unit's name."""
    found: dict[str, list[Path]] = {}
    for pattern in ("*.wants/*", "*.requires/*"):
        for link in folder.glob(pattern):
            found.setdefault(link.name, []).append(link)
    return found


def _starter(folder: Path, links: Links, name: str) -> Starter:
    ours, entry = unit_text.ours(name)
    path, found = _file(folder, links, name), _settings(folder, links, name)
    service = unit_text.started_by(name, found)
    run = found if service == name else _settings(folder, links, service)
    known = unit_text.specifiers(service, str(Path.home()), host.user_name())
    kept = [(one, _read(_file(folder, links, one))) for one in dict.fromkeys((name, service)) if ours or one == name]
    return Starter(
        "user_units", name, str(path), unit_text.lines(run, known),
        unit_text.folder(run, known), ours, entry, on=bool(kept[0][1]), kept=tuple(kept),
        back=f"move {{}} to {path}, then systemctl --user enable {name}",
    )  # fmt: skip


def _file(folder: Path, links: Links, name: str) -> Path:
    """Where a unit's text stands: in the folder, as a template in it, or where what enables it leads."""
    places = [folder / name, folder / unit_text.template(name), *links.get(name, [])]
    return next((path for path in places if path.exists()), places[0])


def _settings(folder: Path, links: Links, name: str) -> dict[str, list[str]]:
    files = [_file(folder, links, name), *sorted((folder / f"{name}.d").glob("*.conf"))]
    return unit_text.settings(decode(_read(path)) for path in files)


def _read(path: Path) -> bytes:
    """A file's bytes; nothing when there is none, or when it is the nothing that masks a unit."""
    return read_bytes(path) or b""


def take_away(site: Site, starter: Starter) -> None:
    """Have systemd start it no more, and take its file away. What runs goes on; a timer stops."""
    if starter.ours:
        systemd.remove(site._replace(id=starter.ours), starter.entry)
        return
    folder = systemd.folder()
    if not starter.name.endswith(".service"):
        systemd.stop(starter.name)
    for link in _links(folder).get(starter.name, ()):
        link.unlink()
    (folder / starter.name).unlink(missing_ok=True)
