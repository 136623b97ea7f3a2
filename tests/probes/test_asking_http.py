"""http questions: as asked is OK, and every way of not being so is told apart."""

from __future__ import annotations

import http.server
import json
import socket
import subprocess
import sys
import threading
import time
from email.utils import formatdate

import pytest

from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import NG, OK, UNKNOWN, WARN
from autosys_tasks.probes import Subject, ask, ask_again


def test_an_answer_as_asked_is_ok_with_its_status_and_time(says, reply, ask_web):
    answer = ask_web(says(reply(b"fine")), "/readyz")
    assert (answer.verdict, answer.why, answer.status) == (OK, "", 200)
    assert answer.evidence == f"http 200 in {max(1, round(answer.ms))} ms"
    assert 0 < answer.ms < 30_000, "half of its deadline"


def test_a_real_http_server_is_understood(tmp_path):
    tmp_path.joinpath("state.json").write_text('{"status": "ok", "n": 3}', encoding="utf-8")

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *_args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        target = f"http://127.0.0.1:{web.server_address[1]}/state.json"
        assert ask(Probe("http", target, json={"status": "ok", "n": 3})).verdict == OK
        assert ask(Probe("http", target, text='"status"', method="GET")).verdict == OK
        assert ask(Probe("http", target, method="HEAD")).verdict == OK
        assert ask(Probe("http", target + "x")).status == 404
        web.shutdown()


def test_refused_is_told(free_port):
    port = free_port()
    answer = ask(Probe("http", f"http://127.0.0.1:{port}/"))
    assert answer.verdict == NG
    assert answer.why == f"refused: nobody listens on 127.0.0.1:{port}"
    assert answer.evidence.startswith(f"no answer from http://127.0.0.1:{port}/ in ")


def ends_in_time(put, said):
    """It is given up at its deadline, at that step; at an earlier one where the machine is too busy to get there."""
    for timeout_s in (0.3, 3.0, 15.0):
        began = time.monotonic()
        answer = put(timeout_s)
        assert time.monotonic() - began < timeout_s + 10, "of for ever"
        if answer.why.endswith(said):
            break
    assert (answer.verdict, answer.why) == (NG, f"timed out after {timeout_s:g} s {said}")


def test_a_server_that_accepts_and_never_answers_ends_at_the_deadline(hung, ask_web):
    ends_in_time(lambda timeout_s: ask_web(hung, timeout_s=timeout_s), "(no answer)")


@pytest.mark.parametrize(
    ("begins", "during"),
    [
        (b"HTTP/1.1 200 O", "no answer"),
        (b"HTTP/1.1 200 OK\r\nX: ", "no answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "the answer did not end"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "the answer did not end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n", "the answer did not end"),
    ],
)
def test_a_server_that_drips_bytes_ends_at_the_deadline(drips, ask_web, begins, during):
    ends_in_time(lambda timeout_s: ask_web(drips(begins), timeout_s=timeout_s), f"({during})")


def test_a_server_whose_queue_is_full_ends_at_the_deadline(full_port):
    target = f"http://127.0.0.1:{full_port}/"
    ends_in_time(lambda timeout_s: ask(Probe("http", target, timeout_s=timeout_s)), "(connecting)")


def test_a_name_that_nobody_has_is_told_within_the_deadline():
    began = time.monotonic()
    answer = ask(Probe("http", "http://no-such-host.invalid/", timeout_s=0.5))
    assert answer.verdict == NG
    assert "no-such-host.invalid" in answer.why
    assert time.monotonic() - began < 10


def test_localhost_costs_nothing_where_it_means_ipv6_first(says, reply):
    """P61: a server on 127.0.0.1 only is asked there first, whatever the hosts file says."""
    port = says(reply()).port
    answers = [ask(Probe("http", f"http://localhost:{port}/")) for _ in range(10)]
    assert {answer.verdict for answer in answers} == {OK}
    assert min(answer.ms for answer in answers) < 100, "others may be at work, now and then"


def test_localhost_reaches_a_server_that_listens_on_ipv6_only(server, reply):
    try:
        six = server(lambda connection, _request: connection.sendall(reply()), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 loopback")
    assert ask(Probe("http", f"http://localhost:{six.port}/")).verdict == OK
    assert ask(Probe("http", f"http://[::1]:{six.port}/")).verdict == OK
    assert six.requests[1].split(b"\r\n")[1] == b"Host: [::1]:%d" % six.port


def test_each_wrong_status_names_itself(says, reply, ask_web):
    assert ask_web(says(reply(b"", "503 No"))).why == "status 503"
    assert ask_web(says(reply(b"", "200 OK")), status=(204, 205)).why == "status 200, wanted 204 or 205"
    assert ask_web(says(reply(b"", "503 No")), status=(503,)).verdict == OK
    assert ask_web(says(reply(b"", "204 No Content"))).verdict == OK


@pytest.mark.parametrize("status", [400, 401, 403, 405])
def test_who_refuses_the_question_is_told_apart_from_who_fails(says, reply, ask_web, status):
    """P9: a server that wants a login was started four times, and then blocked."""
    answer = ask_web(says(reply(b"", f"{status} No")))
    assert answer.asked_wrongly and "check misconfigured" in answer.why and f"status = {status}" in answer.why
    assert not ask_web(says(reply(b"", "503 No"))).asked_wrongly
    assert not ask_web(says(reply(b"", f"{status} No")), status=(status,)).asked_wrongly


def test_404_says_that_the_check_may_be_wrong(says, reply, ask_web):
    """P9: a health URL that never existed is a misconfigured check, not a dead service."""
    answer = ask_web(says(reply(b"", "404 Not Found")), "/health")
    assert (answer.verdict, answer.status) == (NG, 404)
    assert answer.why == "status 404: check misconfigured (is the path right?)"


def test_a_redirect_is_its_own_status_and_is_not_followed(says, reply, ask_web):
    there = says(reply())
    here = says(reply(b"", "302 Found", f"Location: http://127.0.0.1:{there.port}/in?token=geheim"))
    answer = ask_web(here)
    assert (answer.verdict, answer.status) == (NG, 302)
    assert answer.why == (
        f"status 302: sent on to `http://127.0.0.1:{there.port}/in`, redirects are not followed: "
        "check misconfigured (another path, or status = 302)"
    )
    assert ask_web(here, status=(302,)).verdict == OK
    assert there.requests == []


def test_429_is_throttled_and_not_dead(says, reply, ask_web):
    """P60: a server that asks us to wait is not restarted."""
    plain = ask_web(says(reply(b"", "429 Too Many Requests")))
    assert (plain.verdict, plain.why, plain.retry_after_s) == (WARN, "throttled", None)
    timed = ask_web(says(reply(b"", "429 Slow", "Retry-After: 120")))
    assert (timed.why, timed.retry_after_s) == ("throttled, asked to wait 120 s", 120)
    dated = ask_web(
        says(reply(b"", "429 Slow", f"Retry-After: {formatdate(time.time() + 100, usegmt=True)}"))
    )
    assert dated.retry_after_s == pytest.approx(100, abs=30)
    assert ask_web(says(reply(b"", "429 Slow", "Retry-After: soon"))).retry_after_s is None
    assert ask_web(says(reply(b"", "429 Slow")), status=(429,)).verdict == OK


def test_slow_is_warned_of_and_too_slow_is_ng(server, reply, ask_web):
    def late(connection, _request):
        threading.Event().wait(0.06)
        connection.sendall(reply())

    slow = server(late)
    assert ask_web(slow, warn_ms=20, alert_ms=5000).verdict == WARN
    assert ask_web(slow, warn_ms=20, alert_ms=5000).why.startswith("slow: ")
    assert ask_web(slow, warn_ms=10, alert_ms=20).verdict == NG
    assert ask_web(slow, warn_ms=10, alert_ms=20).why.startswith("too slow: ")
    assert ask_web(slow, warn_ms=5000, alert_ms=6000).verdict == OK


def test_method_body_and_headers_arrive_as_given(says, reply, ask_web):
    got = says(reply())
    ask_web(got, "/a?b=1#c", method="post", body='{"ping": "핑"}', headers={"X-Key": "k", "host": "desk"})
    head, _, body = got.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /a?b=1 HTTP/1.1"
    assert json.loads(body) == {"ping": "핑"}
    for line in ("host: desk", "X-Key: k", "Content-Type: application/json", "Connection: close"):
        assert line in lines
    assert f"Content-Length: {len(body)}" in lines
    assert not [line for line in lines if line.startswith("Host:")]


def test_a_path_that_is_not_ascii_is_encoded_and_cannot_break_the_request(says, reply, ask_web):
    got = says(reply())
    assert ask_web(got, "/책상 a\r\nX: y").verdict == OK
    assert got.requests[0].startswith(b"GET /%EC%B1%85%EC%83%81%20a%0D%0AX:%20y HTTP/1.1\r\n")
    assert ask_web(got, headers={"X": "a\r\nY: b"}).why == "a header holds a line break"


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("ftp://x/", "the URL is not one of http:// or https://"),
        ("127.0.0.1:80", "the URL is not one of http:// or https://"),
        ("http://127.0.0.1:99999/", "there is no port 99999"),
        ("http://u:geheim@x/", "a user or password in the URL is not supported: send a header instead"),
        ("http://" + "ü" * 70 + "/", "there is no host named `" + "ü" * 70 + "`"),
    ],
)
def test_an_address_that_cannot_be_asked_is_told(target, why):
    answer = ask(Probe("http", target))
    assert (answer.verdict, answer.why) == (NG, why)


def test_no_secret_of_the_question_is_ever_shown(says, reply, hung):
    """Bodies, headers and queries stay out of evidence; known secrets are masked wherever they stand."""
    for port in (says(reply(b'{"a": "GEHEIM4"}', "200 OK", "Location: /?GEHEIM2")).port, hung.port, 1):
        probe = Probe(
            "http",
            f"http://127.0.0.1:{port}/hook/GEHEIM1?token=GEHEIM2",
            method="POST",
            body="GEHEIM3",
            headers={"Authorization": "GEHEIM3"},
            json={"a": "b"},
            timeout_s=0.2,
            secrets=("GEHEIM1",),
        )
        answer = ask(probe, Subject(secrets=("GEHEIM4",)))
        assert answer.verdict == NG
        assert "GEHEIM" not in repr(answer)


def test_without_descriptors_left_nobody_is_blamed(says, reply):
    """Our own trouble is UNKNOWN: nobody may be restarted for it."""
    pytest.importorskip("resource")
    program = (
        "import os, resource, sys\n"
        "from autosys_tasks.core.probe import Probe\n"
        "from autosys_tasks.probes import ask\n"
        "probe = Probe('http', f'http://127.0.0.1:{sys.argv[1]}/')\n"
        "assert ask(probe).verdict == 'OK'\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "kept = []\n"
        "try:\n"
        "    while True: kept.append(os.open(os.devnull, os.O_RDONLY))\n"
        "except OSError: pass\n"
        "print(*ask(probe)[:3], sep='|')\n"
    )
    argv = [sys.executable, "-c", program, str(says(reply()).port)]
    verdict, _evidence, why = subprocess.check_output(argv, text=True, encoding="utf-8").strip().split("|")
    assert (verdict, why) == (UNKNOWN, "cannot ask: Too many open files")


@pytest.fixture
def certificate(tmp_path):
    """A key and a certificate for 127.0.0.1, made just now."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=desk"]
    subprocess.run([*argv, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return cert, key


@pytest.mark.only("posix")  # Windows has no openssl program
@pytest.mark.capability("openssl")
def test_https_is_asked_and_only_who_is_trusted_is_believed(certificate, server, reply, hung):
    import ssl

    cert, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    def talk(connection, _request):
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(reply(b"fine"))

    target = f"https://127.0.0.1:{server(talk, reads=False).port}/"
    program = (
        "import os, sys\n"
        "from autosys_tasks.core.probe import Probe\n"
        "from autosys_tasks.probes import ask\n"
        "for target, timeout_s in zip(sys.argv[1:], (60, 60, 0.5)):\n"
        "    print(*ask(Probe('http', target, text='fine', timeout_s=timeout_s))[:3], sep='|')\n"
    )
    plain = server(lambda connection, _request: connection.sendall(reply()), reads=False)
    others = [f"https://127.0.0.1:{port}/" for port in (plain.port, hung.port)]

    def lines(**env):
        argv = [sys.executable, "-c", program, target, *others]
        told = subprocess.run(argv, env=env, capture_output=True, encoding="utf-8", check=True)
        return [line.split("|") for line in told.stdout.splitlines()]

    trusted = lines(SSL_CERT_FILE=str(cert))
    assert trusted[0][0] == OK
    assert trusted[1][2].startswith("no TLS: ")
    assert trusted[2][2] == "timed out after 0.5 s (connecting)"
    assert lines()[0][2].startswith("the certificate is not trusted: self")


@pytest.mark.parametrize(
    ("threshold", "for_s", "verdict", "asked"), [(3, 60.0, OK, 3), (2, 60.0, NG, 2), (3, -1.0, NG, 1)]
)
def test_an_answer_is_asked_for_again_while_it_is_wrong(server, reply, threshold, for_s, verdict, asked):
    """As often as its threshold says, and no longer than there is time."""
    answers = iter([reply(status="500 Oops"), reply(status="500 Oops"), reply()])
    one = server(lambda connection, _request: connection.sendall(next(answers)))
    probe = Probe("http", f"http://127.0.0.1:{one.port}/", timeout_s=60.0, failure_threshold=threshold)
    assert ask_again(probe, Subject(), gap_s=0.0, for_s=for_s).verdict == verdict
    assert len(one.requests) == asked
