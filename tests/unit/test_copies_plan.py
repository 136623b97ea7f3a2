"""What goes to a second place, what goes away there, what is never touched; and when a place is behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks.backup.copies.plan import LATE_S, Held, PlaceState, decide, may_leave
from autosys_tasks.backup.values import Backup, Kept, archive_of, manifest_of

HOUR = 3600.0


def one(number: int, base: int = 0, **more: object) -> Backup:
    kind = "differential" if base else "full"
    known = {"created": float(number), "base": f"{base:03}" if base else "", "archive_bytes": number, "verified": True}
    return Backup(f"{number:03}", kind, **{**known, **more})


def held(*backups: Backup) -> dict[str, Held]:
    return {each.stem: Held(each, 7) for each in backups}


def lying(*backups: Backup) -> dict[str, int]:
    names = {}
    for each in backups:
        names |= {each.archive: each.archive_bytes, each.manifest: 7}
    return names


def newest(count: int):  # type: ignore[no-untyped-def]
    """Retention by number."""

    def retain(backups: Sequence[Backup]) -> list[Kept]:
        return [Kept(each.id, at >= len(backups) - count, f"{count} are kept") for at, each in enumerate(backups)]

    return retain


def test_what_is_missing_is_sent_oldest_first() -> None:
    a, b, c = one(1), one(2, 1), one(3, 1)
    decision = decide([c, a, b], lying(a), PlaceState("x", 0, held(a)), newest(9))
    assert decision.send == (b, c) and not decision.remove and not decision.rests


def test_what_is_there_in_part_is_sent_again() -> None:
    a = one(5)
    for names in ({a.archive: 5}, {a.manifest: 7}, {**lying(a), a.archive: 4}):
        assert decide([a], names, PlaceState("x", 0, held(a)), newest(9)).send == (a,)


def test_what_lies_there_and_is_not_remembered_is_looked_at_first() -> None:
    """It may be ours from before the state folder was lost, or somebody else's: whoever sends it compares."""
    a = one(1)
    assert decide([a], lying(a), PlaceState("x", 0), newest(9)).send == (a,)


def test_what_needs_another_goes_before_it() -> None:
    a, b, c = one(1), one(2, 1), one(3)
    decision = decide([c], lying(a, b, c), PlaceState("x", 0, held(a, b, c)), newest(1))
    assert [kept.id for kept in decision.remove] == ["002", "001"]


def test_what_would_go_at_once_is_not_sent() -> None:
    a, b = one(1), one(2)
    assert decide([a, b], {}, PlaceState("x", 0), newest(1)).send == (b,)


def test_rests_of_ours_go_and_what_is_not_ours_stays() -> None:
    a, b, other = one(1), one(2), one(3)
    names = {b.archive + ".part": 1, **lying(other), "photos.zip": 5}
    decision = decide([], names, PlaceState("x", 0, held(a), sending=b.stem), newest(0))
    assert decision.rests == (a.stem, b.stem) and not decision.remove and not decision.send


def test_what_became_damaged_there_and_is_here_no_more_stays() -> None:
    """Something of it can be read still, and of an archive without a manifest all of it."""
    a, b = one(5), one(6)
    for names, damaged in (({a.archive: 4, a.manifest: 7}, ()), ({a.archive: 5}, ()), (lying(a), [a.id])):
        memory = PlaceState("x", 0, held(a, b), damaged=frozenset(damaged))
        decision = decide([], {**names, **lying(b)}, memory, newest(0))
        assert [kept.id for kept in decision.remove] == [b.id] and not decision.rests and not decision.send


def test_what_is_damaged_there_counts_for_nothing() -> None:
    a, b = one(1), one(2)
    assert not decide([], lying(a, b), PlaceState("x", 0, held(a, b), damaged=frozenset([b.id])), newest(1)).remove


@given(st.sets(st.integers(1, 20)), st.sets(st.integers(1, 20)), st.sets(st.integers(1, 20)), st.integers(0, 20))
def test_when_all_is_done_there_is_nothing_to_do(here: set[int], there: set[int], torn: set[int], count: int) -> None:
    local, ours = [one(each) for each in sorted(here)], [one(each) for each in sorted(there)]
    names = lying(*(each for each in ours if int(each.id) not in torn)) | lying(one(99))
    memory = PlaceState("x", 0, held(*ours))
    decision = decide(local, names, memory, newest(count))
    gone = [*decision.rests, *(f"{kept.id}-full" for kept in decision.remove)]
    names, memory = done(names, memory, decision.send, gone)
    assert names.items() >= lying(one(99)).items()
    again = decide(local, names, memory, newest(count))
    assert not again.send and not again.remove and not again.rests


def done(
    names: Mapping[str, int], memory: PlaceState, send: Sequence[Backup], gone: Sequence[str]
) -> tuple[dict[str, int], PlaceState]:
    away = {name for stem in gone for name in (archive_of(stem), manifest_of(stem))}
    kept = {stem: each for stem, each in memory.held.items() if stem not in gone}
    return ({name: length for name, length in names.items() if name not in away} | lying(*send),
            memory._replace(held={**kept, **held(*send)}))  # fmt: skip


def test_secrets_in_clear_and_what_was_never_verified_stay_and_so_does_what_needs_them() -> None:
    a, b, c, d, e = one(1, local_only=True), one(2, 1), one(3, verified=False), one(4), one(5, 4)
    may, stays = may_leave([e, d, c, b, a])
    assert may == [d, e]
    assert "AUTOSYS_BACKUP_PASSPHRASE" in stays[a.stem] and a.id in stays[b.stem] and "verif" in stays[c.stem]


def test_a_place_is_late_after_two_days_and_says_why() -> None:
    good = PlaceState("sftp://nas/x", 0, good_at=100 * HOUR, why="`sftp://nas/x` hung up")
    assert good.late(100 * HOUR + LATE_S) == ""
    said = good.late(100 * HOUR + LATE_S + 1)
    assert said == "no good copy at `sftp://nas/x` for 2 d: `sftp://nas/x` hung up"
    assert PlaceState("x", 10.0).late(10.0 + LATE_S) == ""
    assert PlaceState("x", 10.0).late(20.0 + LATE_S) == "no good copy at `x` yet, after 2 d"
