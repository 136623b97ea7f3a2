"""The words of the reference: what each key of keys.TABLES means and does not do, and an example."""

from __future__ import annotations

from collections.abc import Mapping

from autosys_tasks.config.service_entries import ASK, LIVENESS, PROBES, SERVICES, Entry

TOP: Mapping[str, Entry] = {
    "workspace": Entry("The workspace itself."),
    "environments": Entry(
        "What services run in: a Python environment, a Node project, or anything that a command makes. One table each.",
        implies="The bin folder of an environment comes first in the PATH of a service that names it.",
        does_not="Does not make the environment when a service starts; `inv upgrade` does, and `inv health` says when "
        "one is missing.",
    ),
    "services": Entry(
        "What is wanted up. One table each; the name is letters and digits of any script, then also `_`, `-` and `.`.",
        implies="A declared service is wanted up, through reboots, until a person says `inv down`.",
        does_not="Names do not differ by case alone, and are not names that Windows keeps for devices (`nul`, `com1`).",
    ),
    "probes": Entry(
        "Things that are only looked at: a site, a model, a port of somebody else. One table each, with the keys of "
        "`[services.NAME.readiness]` and a few more.",
        does_not="Nothing is started, stopped or restarted because of a probe; `inv health` and `inv probe` show it.",
    ),
    "outputs": Entry(
        "Files that something is expected to write, each with the greatest age that is still well.",
        implies="`inv health` has a check for each path; the older of the file's time and a top-level `\"at\"` inside "
        "a JSON file counts.",
        does_not="Another file in the same folder does not help, and nothing is made anew.",
        example='"outputs/monitoring_report_latest.json" = "24h"',
    ),
    "watchdog": Entry("How services are watched, and how often and how fast they are started again."),
    "upgrade": Entry("What a `git pull` sets in motion."),
    "backup": Entry("What is kept every night, and for how long."),
    "schedule": Entry("What the operating system starts for this workspace."),
    "notify": Entry(
        "Reserved for notifications; a later version reads it.",
        does_not="Does nothing yet: any keys are accepted here and ignored.",
    ),
}

WORKSPACE: Mapping[str, Entry] = {
    "name": Entry(
        "What the workspace is called in titles, in scheduled entries and in the name of its state folder.",
        implies="Another name is another state folder: stop everything (`inv down`) before changing it.",
        does_not="Does not rename the folder.",
        example='name = "desk"',
    ),
    "language": Entry(
        "The language of the report and the dashboard; `auto` follows AUTOSYS_LANG, then the system.",
        does_not="Does not change JSON, journals or exit codes.",
        example='language = "ko"',
    ),
}

ENVIRONMENTS: Mapping[str, Entry] = {
    "kind": Entry(
        "How the environment is made and where its programs lie: `python` (a virtual environment), `node` (a folder "
        "with package.json), or `command` (your own `install`).",
        implies="`command` needs `install` and `manifests`; only `command` has `install` and `outputs`.",
        example='kind = "node"\npath = "web"',
    ),
    "path": Entry(
        "Its folder.",
        implies="No other environment of its kind has the same one; two of kind `command` may, where their `outputs` "
        "differ.",
        does_not="Need not exist yet; a missing one is NG in `inv health`, and no error here.",
        example='path = ".venv"',
    ),
    "manifests": Entry(
        "The files (globs) that say what belongs into it.",
        implies="When one of them changes, or what it names (`-r other.txt`, `./local`), the environment is stale and "
        "`inv upgrade` installs. A glob is seen from the workspace, and from the environment's own folder when nothing "
        "matches there. Where nothing is written, `*requirements.txt`, `poetry.lock`, `pdm.lock` and "
        "`pnpm-workspace.yaml` count too.",
        does_not="Does not look into the environment itself, `.git` or `node_modules`.",
        example='manifests = ["requirements*.txt", "pyproject.toml", "uv.lock"]',
    ),
    "smoke": Entry(
        "A command that must exit 0 after an install.",
        implies="When it fails, the upgrade has failed, and the environment before it stays in use.",
        example='smoke = ["python", "-c", "import app"]',
    ),
    "install": Entry(
        "The command that makes it, for the kind `command`.",
        does_not="No shell runs it: pipes and `&&` need a script.",
        example='kind = "command"\nmanifests = ["Makefile"]\ninstall = ["make", "deps"]\noutputs = ["vendor/"]',
    ),
    "outputs": Entry(
        "What `install` leaves behind.",
        implies="When one of these is missing, the environment is missing.",
        example='kind = "command"\nmanifests = ["go.sum"]\ninstall = ["go", "mod", "vendor"]\noutputs = ["vendor/"]',
    ),
}

WATCHDOG: Mapping[str, Entry] = {
    "every": Entry(
        "How often the scheduler runs one tick.",
        implies="The longest that a dead service stays down when no guard runs.",
        example='every = "5min"',
    ),
    "guard": Entry(
        "Whether `inv bringup` starts the resident guard, which restarts within milliseconds.",
        does_not="The tick needs no guard: without it healing waits for the next tick.",
        example="guard = false",
    ),
    "retries": Entry(
        "How often a service is started again before it is `blocked`.",
        implies="A blocked one is tried rarely; `inv watchdog --reset NAME` clears it.",
        example="retries = 5",
    ),
    "backoff_s": Entry(
        "Seconds before the first start, the second, and so on; the last holds for all further ones.",
        implies="Each varies a little, so that many services do not start at one moment.",
        example="backoff_s = [0, 2, 4, 8]",
    ),
    "stable_after_s": Entry(
        "Seconds that a service must be up and ready before its failed starts are forgotten.",
        example="stable_after_s = 60",
    ),
}

UPGRADE: Mapping[str, Entry] = {
    "on_pull": Entry(
        "Whether `inv master` and the watchdog look for environments that a pull made stale, and upgrade them.",
        does_not="`false` does not stop `inv upgrade` by hand. Nothing is pulled unless you say `--pull`.",
        example="on_pull = false",
    ),
    "scripts": Entry(
        "Files (globs) that a pull may bring and that people run: they are made executable and checked.",
        example='scripts = ["**/*.sh"]',
    ),
    "ignore": Entry(
        "Manifests (globs) that belong to no environment and are not to be warned about.",
        does_not="A manifest of a declared environment is installed all the same.",
        example='ignore = ["docs/requirements.txt", "examples/**"]',
    ),
}

BACKUP: Mapping[str, Entry] = {
    "at": Entry(
        "The time of day, local.",
        implies="`inv schedule.register` has the system run it then. A night that was missed is caught up once, by the "
        "next tick or master.",
        example="at = 03:30:00",
    ),
    "keep_days": Entry(
        "Days that every backup is kept.",
        implies="0 is legal: only the safety rules keep: the newest three that can be restored, the newest complete "
        "one, and each full that a differential builds upon. More than a week without a backup counts as one day.",
        does_not="Files in `backups/` that are not backups are never touched.",
        example="keep_days = 14",
    ),
    "keep_last": Entry("So many of the newest backups are kept, however old.", example="keep_last = 3"),
    "keep_weekly": Entry("The last backup of each of so many weeks is kept.", example="keep_weekly = 8"),
    "keep_monthly": Entry("The last backup of each of so many months is kept.", example="keep_monthly = 12"),
    "copies": Entry(
        "Where each backup is copied to: folders, S3 buckets, SFTP servers. See [copies.md](copies.md).",
        implies="Each keeps as long as `backups/` does. `s3` and `sftp` need the extra `copies`. A password, if there "
        "must be one, stands behind the user and comes from the environment: `sftp://me:${env:NAS_PASSWORD}@nas/path`.",
        does_not="Secrets without a passphrase (AUTOSYS_BACKUP_PASSPHRASE) are never copied; what others have put "
        "there is never removed.",
        example='copies = ["file:///D:/backup", "s3://bucket/prefix", "sftp://host/path"]',
    ),
    "sets": Entry("Named groups of files. See `[backup.sets.NAME]`."),
    "git": Entry("The repository itself. See `[backup.git]`."),
}

BACKUP_SETS: Mapping[str, Entry] = {
    "include": Entry(
        "What is kept: globs from the workspace folder. A folder named plainly (`data`, `data/`, `**/data`) is kept "
        "with all in it.",
        implies="They match hidden files, empty folders and links; no link is followed, each is kept as a link. "
        "`.git`, `.venv`, `.venvs`, `node_modules` and each folder with a `pyvenv.cfg` are entered only by a glob that "
        "has the name in it.",
        does_not="`backups/`, the state folder and `file:` copies are never kept, nor is what `.autosysignore` names. "
        "See [backup-sets.md](backup-sets.md).",
        example='include = [".env", "config.json"]',
    ),
    "exclude": Entry(
        "What is left out of it: globs, as in `include`; what is in a folder that is left out is left out, too.",
        example='exclude = ["outputs/logs/**"]',
    ),
    "required": Entry(
        "Whether matching nothing, or a file that could not be read, is NG by name.", example="required = true"
    ),
    "newer_than": Entry(
        "Only what changed within this time.",
        implies="A glob that matches older things alone is no fault: a note says so.", example='newer_than = "7d"'),
}

BACKUP_GIT: Mapping[str, Entry] = {
    "enabled": Entry(
        "Whether HEAD, branches, index, work tree, untracked files and stashes are kept.",
        example="enabled = false",
    ),
}

SCHEDULE: Mapping[str, Entry] = {
    "master": Entry(
        "When `inv master` (upgrade, bring-up, guard, health) runs. See `[schedule.master]`.",
        does_not="Nothing is registered by writing it: `inv schedule.register` does that. Watchdog and backup take "
        "their times from their own tables.",
        example='master = { at = "logon", delay = "30s" }',
    ),
    "beside": Entry(
        "Jobs of your own that the system starts in this workspace, by name (a unit, a task, a Run value, a file, the "
        "command of a crontab line); `*` and `?` stand for any letters. `inv health` leaves them alone (check "
        "`rivals`).",
        example='beside = ["sync-mail.timer", "*nightly.sh*"]',
    ),
}

MASTER: Mapping[str, Entry] = {
    "at": Entry("The event.", example='at = "logon"'),
    "delay": Entry("How long after it.", example='delay = "2min"'),
}

ENTRIES: Mapping[str, Mapping[str, Entry]] = {
    "": TOP,
    "workspace": WORKSPACE,
    "environments.*": ENVIRONMENTS,
    "services.*": SERVICES,
    "services.*.readiness": ASK,
    "services.*.liveness": LIVENESS,
    "probes.*": PROBES,
    "watchdog": WATCHDOG,
    "upgrade": UPGRADE,
    "backup": BACKUP,
    "backup.sets.*": BACKUP_SETS,
    "backup.git": BACKUP_GIT,
    "schedule": SCHEDULE,
    "schedule.master": MASTER,
}
