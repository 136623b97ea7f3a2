"""The event loop that keeps services as wanted; bring-up, tick and guard run it for as long as each needs.

The loop never waits for a service: probes and stops run in threads that post their results, so that a slow service
delays no other. A restart after a death is done in the loop, before anything else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable

from autosys_tasks import host
from autosys_tasks.core.faults import fault
from autosys_tasks.core.plan import Outcome, Step
from autosys_tasks.supervise import act, look, plan, stopping, units
from autosys_tasks.supervise.background_probes import BackgroundThreads, CheckUps, Readiness
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.order import ordered
from autosys_tasks.supervise.run_lock import is_held
from autosys_tasks.supervise.state import now, write_ready
from autosys_tasks.supervise.values import Decision, Facts, Reply, label

YIELD_S = 0.3
MOVE_AFTER_S = 0.2


class Keeper:
    """The facts, decisions and watches of one run; `tell` hears every outcome as it happens.

    `vitals`: ask for liveness and memory too. `gap_s`: the shortest pause between two readiness questions.
    `yields`: leave first starts, and stops that were asked for, to a commander that is at work (deaths are healed all
    the same). `ending`: start nothing any more, since who keeps has been asked to end (at log-off everything is, at the
    same moment).
    """

    def __init__(
        self,
        house: House,
        names: Iterable[str],
        *,
        asked: Collection[str] = (),
        vitals: bool = False,
        gap_s: float = 0.01,
        yields: bool = False,
        ending: Callable[[], bool] = lambda: False,
        tell: Callable[[Outcome], None] = lambda outcome: None,
    ) -> None:
        self.house = house
        self.services = house.services
        self.names = [name for name in ordered(self.services) if name in set(names)]
        self.asked = set(asked)
        self.tell = tell
        self.facts: dict[str, Facts] = {}
        self.decisions: dict[str, Decision] = {}
        self.busy: set[str] = set()
        self._acted: set[str] = set()  # acted on, and not decided again since
        self.waiter = host.Waiter()
        self._helpers = BackgroundThreads(self.waiter.wake)
        self._readiness = Readiness(
            house, self._helpers, gap_s, ready=self._ready, changed=self._decide, gave_up=self._gave_up
        )
        self._check_ups = CheckUps(house, self._helpers, self._checked)
        self._vitals = vitals
        self._due: dict[str, float] = {}
        self._yields = yields
        self._ending = ending
        self._closing = threading.Event()
        self._moves: dict[str, threading.Thread] = {}
        self.given_up: set[str] = set()
        self._dependents: dict[str, list[str]] = {}
        for name in self.names:
            for other in self.services[name].depends_on:
                self._dependents.setdefault(other, []).append(name)

    def look(self, *, ask: bool = False) -> None:
        """Collect all facts again, and do what is due now."""
        self.take(look.look(self.house, self.names, ask=ask))

    def take(self, facts: dict[str, Facts]) -> None:
        """Continue from facts that the caller has just collected."""
        for name in self.names:
            if name not in self.busy:
                self._seen(name, facts[name])
        for name in self.names:
            self._decide(name)

    def turn(self, timeout_s: float) -> None:
        """Sleep until something happens or is due, at most `timeout_s`, and deal with it."""
        next_due = min([*self._due.values(), *self._check_ups.due.values()], default=None)
        if next_due is not None:
            timeout_s = min(timeout_s, max(0.0, next_due - now().boot))
        fault("supervise.during-wait")
        for name, ended in self.waiter.wait(timeout_s).items():
            self._died(name, ended)
        self._helpers.deliver()
        moment = now().boot
        for name in [name for name, due in self._due.items() if due <= moment]:
            if self.facts[name].leader is None and name not in self.busy:
                self._seen(name, look.look_at_one(self.house, name))  # somebody else may have acted meanwhile
            self._decide(name)
        for name in [name for name, due in self._check_ups.due.items() if due <= moment]:
            self._check_up(name)

    def settled(self) -> bool:
        """Whether everything is as wanted, or has failed for now."""
        return not self.busy and not self._acted and all(
            plan.settled(name, self.decisions) or name in self.given_up for name in self.names
        )

    def close(self) -> None:
        """Stop watching and probing; the services are not touched."""
        self._readiness.close()
        self._closing.set()
        for thread in self._moves.values():
            thread.join()
        self.waiter.close()

    # --- what is seen -------------------------------------------------------------------------------------

    def _seen(self, name: str, facts: Facts) -> None:
        facts = _remembering(facts, self.facts.get(name))
        if facts.readiness and facts.readiness.ok and facts.leader and facts.record and not facts.ready_seen:
            write_ready(self.house.place, name, facts.record.instance)
            facts = facts._replace(ready_seen=True)
        self.facts[name] = facts
        if facts.leader is None:
            self.waiter.forget(name)
            self._check_ups.due.pop(name, None)
        elif not self.waiter.watch(name, facts.leader):
            self.facts[name] = _remembering(look.look_at_one(self.house, name), facts)

    def _died(self, name: str, ended: host.Exit | None) -> None:
        facts = self.facts[name]
        fault("guard.after-death")
        self._readiness.hush(name)
        self.given_up.discard(name)
        self._check_ups.due.pop(name, None)
        if name in self.busy:  # we are stopping it: whoever does that will say so
            return
        # Whether its group lives on is asked once, under the lock, before a start.
        self.facts[name] = facts._replace(leader=None, exit=ended, readiness=None, liveness=None, memory=None)
        self.asked.discard(name)
        self._decide(name, ended)

    def _decide(self, name: str, ended: host.Exit | None = None) -> None:
        if name in self.busy or name not in self.facts:
            return
        self._acted.discard(name)
        moment, facts = now(), self.facts[name]
        reply = self._readiness.reply(name)
        if reply is not None and not facts.ready_seen and facts.leader is not None:
            facts = facts._replace(readiness=reply)
        waiting = plan.waits_for(self.services, name, self.facts, self.decisions)
        before = self.decisions.get(name)
        decision = plan.decide(
            self.services[name],
            facts,
            moment,
            self.house.config.watchdog,
            waiting_for=waiting,
            asked=name in self.asked,
        )
        self.decisions[name] = decision
        if plan.asked_wrongly(facts, decision):
            self.given_up.add(name)
        self._due.pop(name, None)
        if decision.due_boot is not None and decision.due_boot > moment.boot:
            self._due[name] = decision.due_boot
        self._act(name, decision, moment.boot, ended)
        self._after(name, before)

    def _after(self, name: str, before: Decision | None) -> None:
        decision, facts = self.decisions[name], self.facts[name]
        if facts.leader is not None:
            self._ask_if_needed(name, facts)
            if self._vitals and name not in self._check_ups.due:
                self._check_ups.plan(self.services[name])
        if before is None or (before.state in plan.READY) != (decision.state in plan.READY):
            for other in self._dependents.get(name, ()):
                self._decide(other)

    # --- what is done -------------------------------------------------------------------------------------

    def _act(self, name: str, decision: Decision, moment: float, ended: host.Exit | None) -> None:
        later = decision.due_boot is not None and decision.due_boot > moment
        if decision.step == "start" and not decision.after and not later:
            if self._yields and ended is None and self._is_first_start(name) and is_held(self.house.place):
                self._due[name] = moment + YIELD_S
            else:
                self._start(name, decision.reason)
        elif decision.step == "note" or (decision.step == "start" and self._died_unnoted(name)):
            act.note(self.house, name, decision.reason, self.facts[name].exit)
            self._again(name, soon=True)
        elif decision.step == "adopt" and (found := self.facts[name].found):
            outcome = act.adopt(self.house, name, found, decision.reason)
            if outcome.ok is not None:
                self.tell(outcome)
            self._again(name, soon=outcome.ok is None)
        elif decision.step in ("stop", "restart"):
            if self._yields and not self.facts[name].wanted.up and is_held(self.house.place):
                self._due[name] = moment + YIELD_S  # a `down` keeps the order
            else:
                self._stop(name, decision)

    def _is_first_start(self, name: str) -> bool:
        record = self.facts[name].record
        return record is None or (record.dead and record.starts == 0)

    def _died_unnoted(self, name: str) -> bool:
        record = self.facts[name].record
        return record is not None and not record.dead and self.facts[name].leader is None

    def _start(self, name: str, reason: str) -> None:
        if self._ending():
            return
        old = self.facts[name].record
        bound = units.leave_unit(self.house)
        outcome = act.start(self.house, name, reason, asked=name in self.asked, ended=self.facts[name].exit)
        if outcome.ok is not None:
            self.asked.discard(name)
            self.tell(outcome._replace(detail=f"{outcome.detail}, {bound}") if outcome.ok and bound else outcome)
        if outcome.ok:
            self.decisions[name] = Decision("starting", "just started", due_boot=now().boot)
        if outcome.ok and old is not None and old.leader is not None:
            leader, instance = old.leader, old.instance
            self._helpers.do(lambda: self._swept(name, stopping.sweep(self.house, leader, instance)))
        self._again(name, soon=outcome.ok is None)
        if outcome.ok:
            self._set_apart(name)

    def _set_apart(self, name: str) -> None:
        """In a thread, and when the next deaths have been dealt with: what was started runs already."""
        leader, record = self.facts[name].leader, self.facts[name].record
        if leader is None or record is None or not units.is_in_own_scope(self.house, leader.pid):
            return
        instance = record.instance

        def move() -> None:
            self._closing.wait(MOVE_AFTER_S)
            units.move_to_scope(self.house, name, leader, instance)

        self._moves[name] = self._helpers.do(move)

    def _swept(self, name: str, count: int) -> None:
        if count:
            step = Step("stop", label(name), "left behind by the previous instance")
            self._helpers.post(lambda: self.tell(Outcome(step, True, f"{count} ended")))

    def _again(self, name: str, *, soon: bool = False) -> None:
        """Look at one service again after acting on it; the next turn decides what it is now."""
        self._seen(name, look.look_at_one(self.house, name))
        self._acted.add(name)
        self._due[name] = now().boot + (0.02 if soon else 0.0)

    def _stop(self, name: str, decision: Decision) -> None:
        self.busy.add(name)
        self._readiness.hush(name)
        forgiven = not self.facts[name].wanted.up  # what else is stopped here has failed, and counts as a failure
        reason = plan.ASKED if forgiven else decision.reason
        ended = self.facts[name].exit if self.services[name].oneshot else None  # what a job leaves makes it no failure
        record = self.facts[name].record
        only = record.instance if record and not forgiven else None

        def stop() -> None:
            outcome = stopping.stop(
                self.house, name, reason, kind=decision.step, forgiven=forgiven, ended=ended, only=only
            )
            self._helpers.post(lambda: self._stopped(name, outcome))

        self._helpers.do(stop)

    def _stopped(self, name: str, outcome: Outcome) -> None:
        self.busy.discard(name)
        self.given_up.discard(name)
        if outcome.ok is not None:
            self.tell(outcome)
        self._seen(name, look.look_at_one(self.house, name))
        self._check_ups.forgive(name)
        self._decide(name)

    # --- what is asked ------------------------------------------------------------------------------------

    def _ask_if_needed(self, name: str, facts: Facts) -> None:
        probe, record = self.services[name].readiness, facts.record
        if probe is None or record is None or self.services[name].oneshot or name in self.given_up:
            return
        if facts.ready_seen and (facts.readiness is None or facts.readiness.ok):
            return
        self._readiness.ask(name, probe, record, again=facts.ready_seen)

    def _ready(self, name: str, instance: str, reply: Reply) -> None:
        record = self.facts[name].record
        if record is None or record.instance != instance or self.facts[name].leader is None:
            return
        write_ready(self.house.place, name, instance)
        self._readiness.hush(name)
        self.facts[name] = self.facts[name]._replace(ready_seen=True, readiness=reply)
        self._decide(name)

    def _gave_up(self, name: str) -> None:
        self._readiness.hush(name)
        self.given_up.add(name)

    def _check_up(self, name: str) -> None:
        self._check_ups.due.pop(name, None)
        record, leader = self.facts[name].record, self.facts[name].leader
        if leader is not None and record is not None and name not in self.busy:
            self._check_ups.ask(self.services[name], record, leader)

    def _checked(self, name: str, instance: str, reply: Reply | None, memory: int | None) -> None:
        facts, service = self.facts[name], self.services[name]
        if facts.record is None or facts.record.instance != instance or facts.leader is None:
            return
        failed = self._check_ups.failed(service, facts, reply)
        self.facts[name] = facts._replace(liveness=failed, memory=memory)
        self._check_ups.plan(service)
        if failed or facts.liveness or memory is not None:
            self._decide(name)


def _remembering(facts: Facts, before: Facts | None) -> Facts:
    """The facts, with how the same instance ended where that was heard before: the system tells a parent once."""
    if facts.leader or facts.exit or not before or not before.exit or not facts.record or not before.record:
        return facts
    return facts._replace(exit=before.exit) if facts.record.instance == before.record.instance else facts
