"""A link to a folder: made without any right, switched, read, and taken away without what it leads to."""

from __future__ import annotations

from pathlib import Path

import pytest

from autosys_tasks import host

pytestmark = pytest.mark.only("posix")  # Wine makes no junctions


def test_a_link_leads_to_a_folder_and_is_switched_to_another(tmp_path: Path) -> None:
    first, second, link = (tmp_path / name for name in ("책상 1", "책상 2", "여기 R&D"))
    for folder in (first, second):
        folder.mkdir()
        (folder / "name").write_text(folder.name, encoding="utf-8")
    assert host.pointed(str(link)) is None
    for folder in (first, second, second):
        host.point_to(str(link), str(folder))
        assert (link / "name").read_text(encoding="utf-8") == folder.name
        assert Path(host.pointed(str(link)) or "").samefile(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(("책상 1", "책상 2", "여기 R&D"))
    host.unpoint(str(link))
    assert not link.exists() and (second / "name").exists()


def test_what_is_no_link_is_none_and_a_link_to_nothing_is_one(tmp_path: Path) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    assert host.pointed(str(folder)) is None
    host.point_to(str(link), str(folder))
    folder.rmdir()
    assert host.pointed(str(link)) is not None and not link.exists()
    host.unpoint(str(link))
    assert host.pointed(str(link)) is None
