"""Opens the place at an address: the one that knows which kinds there are."""

from __future__ import annotations

from autosys_tasks.backup.copies.place import PART, TIMEOUT_S, Place
from autosys_tasks.config.addresses import parse


def opened(
    address: str, shown: str, *, make: bool = False, timeout_s: float = TIMEOUT_S, part: str = PART
) -> Place:
    """The place at an address (final: with passwords), ready to be used; raises PlaceError.

    `shown` is what messages call it. `make`: it may be made when it is not there. `part`: what follows the names of
    what is being sent, another one for each who sends. Raises ValueError for no address.
    """
    where = parse(address)
    if where.scheme == "file":
        from autosys_tasks.backup.copies.place_folder import Folder

        return Folder(where, shown, make, part)
    if where.scheme == "s3":
        from autosys_tasks.backup.copies.place_s3 import Bucket

        return Bucket(where, shown, timeout_s)
    from autosys_tasks.backup.copies.place_sftp import connected

    return connected(where, shown, make, timeout_s, part)
