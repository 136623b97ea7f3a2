"""What the tests of judgements are made of: facts of one service, and the page's judgement of them."""

from __future__ import annotations

from autosys_tasks.config.model import Config, Service, Watchdog
from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import NG, OK, WARN, Check, Fix
from autosys_tasks.health import plan
from autosys_tasks.health.values import Look, Seen, ServiceSeen
from autosys_tasks.host.types import Identity
from autosys_tasks.probes.values import Answer
from autosys_tasks.supervise.values import Facts, LastExit, Now, Record, Reply

NOW = Now(wall=1_000_000.0, boot=5_000.0, boot_id="b")
LEADER = Identity(42, "7", "b")
RUNS = Record("i1", 42, "7", "b", started_at=996_000.0, started_boot=1_000.0, starts=1)
DEAD = RUNS._replace(dead=True, died_boot=4_999.0, last_exit=LastExit(1, None, 999_999.0, 60.0, "boom"))
BLOCKED = DEAD._replace(starts=4)
ANSWERS = Answer(OK, "http 200 in 4 ms", status=200)
API = Service("api", ("serve",), shown=("serve",), readiness=Probe("http", "http://127.0.0.1:1/"))
JOB = Service("api", ("job",), oneshot=True)


def living(answer: Answer | None = ANSWERS, **more: object) -> ServiceSeen:
    reply = None if answer is None else Reply(answer.verdict in (OK, WARN), answer.why, answer.evidence)
    facts = Facts(record=RUNS, leader=LEADER, ready_seen=True, readiness=reply)
    return ServiceSeen(facts._replace(**more), answer)  # type: ignore[arg-type]


def dead(**facts: object) -> ServiceSeen:
    return ServiceSeen(Facts(**{"program": "/bin/serve", **facts}))  # type: ignore[arg-type]


def ngs(why: str, status: int | None = None) -> Answer:
    return Answer(NG, "no answer", why, status=status)


def judged(seen: ServiceSeen, service: Service = API, **config: object) -> Check:
    whole = Config("/w", "w", services={"api": service}, **config)  # type: ignore[arg-type]
    return page(whole, "service.api", seen)


def page(config: Config, check: str, facts: object) -> Check:
    return plan.page(config, [Look(check, check, lambda: None)], {check: Seen(facts)}, NOW)[0]


GUARDED = Config("/w", "w", services={"api": API})
BY_TICKS = GUARDED._replace(watchdog=Watchdog(every_s=300.0, guard=False))
ALIVE = Facts(record=RUNS, leader=LEADER)
TAKE_AWAY = Fix(("inv", "health", "--fix", "--only", "rivals"))
