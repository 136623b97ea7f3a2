"""Checked values -> the model: paths absolute, `${env:X}` replaced. Looks at folders, reads env files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autosys_tasks.config import addresses, units
from autosys_tasks.config.keys import ENVIRONMENT_PATH, MANIFESTS
from autosys_tasks.config.model import Backup, BackupSet, Config, Environment, Schedule, Service, Upgrade, Watchdog
from autosys_tasks.config.probe_values import address, look, service_probe
from autosys_tasks.config.shape import Fault, Keys, Table
from autosys_tasks.config.variables import Scope, absolute, env_values, filled, secret

OURS = ("AUTOSYS_SERVICE", "AUTOSYS_INSTANCE", "AUTOSYS_HEARTBEAT")
AS_WRITTEN = (
    "purpose", "restart", "oneshot", "optional", "managed", "single_instance", "priority", "memory_max",
    "stop_timeout_s", "restart_on", "log_max", "log_keep",
)  # fmt: skip


def config(raw: Mapping[str, Any], values: Table, scope: Scope) -> Config:
    """The whole file, resolved; what is wrong goes to the scope's faults."""
    return Config(
        path=scope.folder,
        name=values["workspace"]["name"] or Path(scope.folder).name or "workspace",
        language=values["workspace"]["language"],
        environments={name: _environment(name, each, scope) for name, each in values["environments"].items()},
        services={
            name: _service(name, each, raw["services"][name], scope)
            for name, each in values["services"].items()
        },
        probes={
            name: look(name, each, raw["probes"][name], scope) for name, each in values["probes"].items()
        },
        outputs=values["outputs"],
        watchdog=_watchdog(values["watchdog"]),
        upgrade=Upgrade(**values["upgrade"]),
        backup=_backup(values["backup"], scope),
        schedule=Schedule(values["schedule"]["master"]["delay"], tuple(values["schedule"]["beside"])),
        notify=values["notify"],
        written=raw,
    )


def _watchdog(values: Table) -> Watchdog:
    return Watchdog(
        every_s=values["every"], **{name: each for name, each in values.items() if name != "every"}
    )


def _backup(values: Table, scope: Scope) -> Backup:
    sets = {name: _backup_set(name, each) for name, each in values["sets"].items()}
    copies = tuple(_copy(written, ("backup", "copies", at), scope) for at, written in enumerate(values["copies"]))
    shown = tuple(addresses.masked(written) for written in values["copies"])
    return Backup(**{**values, "sets": sets, "git": values["git"]["enabled"], "copies": copies, "copies_shown": shown})


def _copy(written: str, at: Keys, scope: Scope) -> str:
    known = len(scope.faults)
    text = addresses.filled(written, lambda reference: filled(reference, scope, at) or "")
    try:
        if len(scope.faults) == known:
            addresses.parse(text)
    except ValueError as error:
        scope.faults.append(Fault(at, f"`{addresses.masked(written)}` {error}"))
    return text


def _backup_set(name: str, values: Table) -> BackupSet:
    include = values["include"] or ()
    return BackupSet(name, include, values["exclude"], values["required"], newer_than_s=values["newer_than"])


def _environment(name: str, values: Table, scope: Scope) -> Environment:
    kind = values["kind"]
    at: Keys = ("environments", name)
    wrong = {fault.at for fault in scope.faults}  # what is missing, or too much, because of these is no second fault
    if (*at, "kind") not in wrong:
        scope.faults.extend(fault for fault in _kind_faults(kind, values, at) if fault.at not in wrong)
    return Environment(
        name=name,
        kind=kind,
        path=absolute(values["path"] or ENVIRONMENT_PATH[kind], scope),
        manifests=values["manifests"] or MANIFESTS[kind],
        smoke=values["smoke"] or (),
        install=values["install"] or (),
        outputs=values["outputs"] or (),
    )


def _kind_faults(kind: str, values: Table, at: Keys) -> list[Fault]:
    if kind == "command":
        hint = "an environment of kind `command` says from what, and by which command, it is made"
        return [Fault((*at, key), "is missing", hint) for key in ("manifests", "install") if not values[key]]
    hint = 'write kind = "command", or take it out'
    message = "only an environment of kind `command` has this"
    return [Fault((*at, key), message, hint) for key in ("install", "outputs") if values[key]]


def _service(name: str, values: Table, raw: Mapping[str, Any], scope: Scope) -> Service:
    at: Keys = ("services", name)
    found: list[str] = []
    scope = scope._replace(found=(found,))
    files = env_values(values["env_file"], (*at, "env_file"), scope)
    scope = scope._replace(others=(files, *scope.others))
    own = {each: filled(text, scope, (*at, "env", each)) or "" for each, text in values["env"].items()}
    scope = scope._replace(own=own)
    service = Service(
        name=name,
        argv=tuple(
            filled(word, scope, (*at, "command", index)) or ""
            for index, word in enumerate(values["command"] or ())
        ),
        shown=values["command"] or (),
        environment=values["environment"] or "",
        cwd=_folder(values["cwd"], (*at, "cwd"), scope),
        env={**files, **own},
        depends_on=tuple(dict.fromkeys(values["depends_on"])),
        stop_http=address(values["stop_http"], (*at, "stop_http"), scope, units.web_address),
        readiness=service_probe(name, "readiness", values, raw, scope),
        liveness=service_probe(name, "liveness", values, raw, scope),
        **{key: values[key] for key in AS_WRITTEN},
    )
    scope.faults.extend(_service_faults(service, raw, at))
    return service._replace(secrets=secret([*files.values(), *found]))


def _folder(written: str, at: Keys, scope: Scope) -> str:
    text = filled(written, scope, at)
    if text is None:
        return ""
    path = absolute(text, scope)
    if not os.path.isdir(path):
        what = "is not a folder" if os.path.exists(path) else "does not exist"
        shown = path if text == written else written
        scope.faults.append(Fault(at, f"the folder `{shown}` {what}", "make it, or correct the path"))
    return path


def _service_faults(service: Service, raw: Mapping[str, Any], at: Keys) -> list[Fault]:
    """There is something to start, or at least to ask, and autosys's own variables are left alone."""
    faults = [
        Fault((*at, "env", name), f"`{name}` is set by autosys itself", "take it out")
        for name in OURS
        if name in service.env
    ]
    if "command" not in raw and (service.managed or "readiness" not in raw):
        hint = (
            'write command = ["program", "argument"]'
            if service.managed
            else "write a `command` or a `readiness`"
        )
        faults.append(Fault((*at, "command"), "is missing", hint))
    for table in ("readiness", "liveness"):
        probe = getattr(service, table)
        if probe and not service.managed and probe.kind in ("log", "heartbeat"):
            message = f"`{probe.kind}` needs a process that autosys starts, and `managed` is false"
            faults.append(Fault((*at, table, probe.kind), message, "ask by http, tcp, command or file"))
    return faults
