"""Every text of the report and the dashboard, in English and Korean. Pure."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("en", "ko")
TEXTS: Mapping[str, tuple[str, str]] = {
    "report": ("Report", "보고서"),
    "dashboard": ("Dashboard", "대시보드"),
    "last_hours": ("the last {hours} h until {at}", "{at}까지 {hours}시간"),
    "OK": ("all is as wanted", "모두 정상입니다"),
    "WARN": ("something is not quite as wanted", "주의할 것이 있습니다"),
    "NG": ("something is not as wanted", "문제가 있습니다"),
    "UNKNOWN": ("nobody knows", "알 수 없습니다"),
    "services_OK": ("every service is as wanted", "서비스가 모두 정상입니다"),
    "services_WARN": ("a service is not quite as wanted", "주의할 서비스가 있습니다"),
    "services_NG": ("a service is not as wanted", "문제가 있는 서비스가 있습니다"),
    "services_UNKNOWN": ("nobody knows of every service", "알 수 없는 서비스가 있습니다"),
    "services_alone": (
        "this is about services alone; backups, schedules and all else: inv health",
        "서비스만 다룹니다. 백업, 예약을 비롯한 나머지: inv health",
    ),
    "no_evidence": ("no evidence", "증거 없음"),
    "observed": (
        "observed {observed} of {window} ({percent}), gaps: {gaps}",
        "{window} 중 {observed} 관찰됨 ({percent}), 공백 {gaps}개",
    ),
    "unobserved": (
        "no evidence: nobody watched in the last {window}; a monitor service or a scheduled inv watchdog does",
        "증거 없음: 최근 {window} 동안 아무도 보지 않았습니다 (monitor 서비스나 예약된 inv watchdog이 봅니다)",
    ),
    "no_incidents": ("no incident was seen", "장애가 관찰되지 않았습니다"),
    "incident_count": ("incidents: {count}, still open: {open}", "장애 {count}건, 진행 중 {open}건"),
    "services_now": ("Services now", "지금의 서비스"),
    "memory_now": ("memory", "메모리"),
    "services": ("Services", "서비스"),
    "incidents": ("Incidents", "장애"),
    "restarts": ("Restarts", "재시작"),
    "gaps": ("Nobody watched", "관찰되지 않은 시간"),
    "next": ("What to do next", "다음에 할 일"),
    "notes": ("Notes", "참고"),
    "checks": ("Checks", "점검"),
    "machine": ("Machine", "컴퓨터"),
    "service": ("service", "서비스"),
    "purpose": ("purpose", "용도"),
    "state": ("state", "상태"),
    "uptime": ("up", "가동률"),
    "seen_for": ("observed", "관찰"),
    "down_for": ("down", "중단"),
    "stopped_for": ("stopped", "정지"),
    "cpu": ("CPU median / max", "CPU 중앙값 / 최대"),
    "memory": ("memory median / max", "메모리 중앙값 / 최대"),
    "disk_free": ("disk free, least", "디스크 여유 최소"),
    "began": ("began", "시작"),
    "ended": ("ended", "종료"),
    "length": ("length", "길이"),
    "lasted": ("recovered after", "복구까지"),
    "cause": ("cause", "원인"),
    "why": ("why", "이유"),
    "count": ("count", "횟수"),
    "open": ("still open", "진행 중"),
    "stopped_by_person": ("then stopped by a person", "이후 사람이 정지함"),
    "unknown": ("unknown", "알 수 없음"),
    "type": ("type", "입력"),
    "pid": ("pid", "pid"),
    "up_since": ("up for", "실행 시간"),
    "ports": ("ports", "포트"),
    "may_close": ("may be closed", "닫아도 됨"),
    "yes": ("yes", "예"),
    "no": ("no", "아니요"),
    "torn_lines": (
        "torn or foreign lines of journals that were passed over: {count}",
        "저널에서 깨졌거나 낯선 줄 {count}개를 건너뛰었습니다",
    ),
    "samples": ("samples: {why}", "표본: {why}"),
    "kept_hours": (
        "the monitor keeps samples for {hours} h: older time rests on ticks alone",
        "monitor는 표본을 {hours}시간 보관합니다: 그 이전은 watchdog 점검만이 근거입니다",
    ),
    "checked_at": ("checked at {at}, {age} before this page", "{at} 점검 (이 페이지보다 {age} 전)"),
    "no_time": ("nobody knows when this was checked", "언제 점검했는지 알 수 없습니다"),
    "stale": (
        "stale: these checks were made {age} before this page; type {command}",
        "오래됨: 이 점검은 이 페이지보다 {age} 전의 것입니다. {command} 입력",
    ),
    "page_ages": (
        "This page does not renew itself: it shows what was so at {at}.",
        "이 페이지는 스스로 갱신되지 않습니다: {at}의 상태를 보여 줍니다.",
    ),
    "page_renews": (
        "This page renews itself every {every} s: it shows what is so at {at}.",
        "이 페이지는 {every}초마다 스스로 갱신됩니다: {at}의 상태를 보여 줍니다.",
    ),
    "last_words": ("its last words", "마지막 출력"),
    "strip": ("{name}: up {up}, down {down}, stopped {stopped}, the rest not observed",
              "{name}: 가동 {up}, 중단 {down}, 정지 {stopped}, 나머지는 관찰되지 않음"),
    "is_up": ("up", "가동"),
    "is_down": ("down", "중단"),
    "is_stopped": ("stopped", "정지"),
    "not_observed": ("not observed", "관찰되지 않음"),
    "written": ("written: {path}", "저장: {path}"),
    "nobody watched": ("nobody watched", "아무도 보지 않음"),
    "the machine slept": ("the machine slept", "컴퓨터가 절전 상태였음"),
    "the monitor did not run": ("the monitor did not run", "monitor가 실행되지 않음"),
    "the clock moved back": ("the clock moved back", "시계가 뒤로 감"),
    "asked by a person": ("asked by a person", "사람이 요청함"),
    "upgrade": ("upgrade", "업그레이드"),
    "liveness failed": ("liveness failed", "생존 확인 실패"),
    "memory over its limit": ("memory over its limit", "메모리 한도 초과"),
    "not ready in time": ("not ready in time", "제때 준비되지 않음"),
    "leader died": ("leader died", "주 프로세스가 죽음"),
    "cannot be run": ("cannot be run", "실행할 수 없음"),
    "there is no file of samples: no monitor has run here": (
        "there is no file of samples: no monitor has run here",
        "표본 파일이 없습니다: monitor가 실행된 적이 없습니다",
    ),
}  # fmt: skip


def chosen(configured: str, said: str, system: str) -> str:
    """The language to write in: autosys.toml, else AUTOSYS_LANG, else the system's; English when none of ours."""
    for word in (configured, said):
        if word.lower() in LANGUAGES:
            return word.lower()
    return "ko" if system.lower().startswith(("ko_", "ko-", "ko.", "korean")) or system.lower() == "ko" else "en"


def known(said: str, language: str) -> str:
    """A reason that we give ourselves in the reader's language; any other as it is."""
    return TEXTS[said][LANGUAGES.index(language)] if " " in said and said in TEXTS else said


def say(key: str, language: str, **values: object) -> str:
    """The text of that key, with its values filled in."""
    return TEXTS[key][LANGUAGES.index(language)].format(**values)
