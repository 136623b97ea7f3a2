"""The HTTP border of the services, asked byte by byte; all against one real queue server."""

from __future__ import annotations

import desk
import pytest


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{}", "127.0.0.1", "127.0.0.1:1", "[::1]:{}", ""]
)
@pytest.mark.parametrize("path", ["/healthz", "/v1/stats"])
def test_a_foreign_host_is_refused_even_with_the_token(shared: desk.Queue, host: str, path: str) -> None:
    """DNS rebinding: a page in a browser reaches 127.0.0.1 under a name of its own."""
    reply = shared.ask("GET", path, Host=host.format(shared.port))
    assert reply.status == 403
    assert f"127.0.0.1:{shared.port}" in reply.body["error"]["hint"]


def test_two_hosts_or_none_are_refused(shared: desk.Queue) -> None:
    good = f"Host: 127.0.0.1:{shared.port}\r\n"
    for hosts in ("", good + good):
        with desk.Line(shared.port) as line:
            assert line.send(f"GET /healthz HTTP/1.1\r\n{hosts}\r\n".encode()).status == 403


def test_localhost_is_served_too(shared: desk.Queue) -> None:
    assert shared.ask("GET", "/healthz", Host=f"LocalHost:{shared.port}").status == 200


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic {}", "Bearer {}x"])
@pytest.mark.parametrize("path", ["/v1/stats", "/v1/nothing"])
def test_without_the_token_nothing_is_told(shared: desk.Queue, token: str, path: str) -> None:
    reply = shared.ask("GET", path, Authorization=token.format(shared.token))
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert set(reply.body) == {"error"}
    assert {"message", "hint"} <= set(reply.body["error"])


def test_health_needs_no_token_and_tells_no_secret(shared: desk.Queue) -> None:
    health = shared.ask("GET", "/healthz", Authorization="")
    assert (health.status, health.body["status"], health.body["pid"]) == (200, "ok", shared.pid)
    assert shared.ask("GET", "/readyz", Authorization="").body == {"status": "ready"}
    assert shared.token not in str(health)


def test_errors_say_what_and_what_to_do(shared: desk.Queue) -> None:
    cases = {
        shared.ask("GET", "/v1/nothing").status: 404,
        shared.ask("DELETE", "/v1/tasks").status: 405,
        shared.ask("GET", "/v1/tasks/0123456789abcdef").status: 404,
        shared.ask("GET", "/v1/tasks?limit=0").status: 422,
        shared.ask("GET", "/v1/tasks?state=done").status: 422,
        shared.ask("POST", "/v1/leases/none/complete", {"result": 1}).status: 409,
    }
    assert all(seen == wanted for seen, wanted in cases.items()), cases
    assert shared.ask("PATCH", "/v1/tasks").headers["Allow"] == "GET, POST"


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"1", b"\xff\xfe", b'{"kind": NaN}', b'{"a":' * 100_000, b'{"n": ' + b"9" * 5000 + b"}"],
)
def test_a_body_that_is_no_json_object_is_refused_and_the_server_lives(
    shared: desk.Queue, body: bytes
) -> None:
    head = f"POST /v1/tasks HTTP/1.1\r\nHost: localhost:{shared.port}\r\nAuthorization: Bearer {shared.token}\r\n"
    with desk.Line(shared.port) as line:
        reply = line.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert reply.status == 400
        assert line.ask("GET", "/healthz").status == 200, "the connection stays usable"


@pytest.mark.parametrize("length", ["x", "-1", "1, 1", "1e3", "9" * 16])
def test_a_length_that_is_none_is_refused(shared: desk.Queue, length: str) -> None:
    with desk.Line(shared.port) as line:
        assert line.ask("POST", "/v1/tasks", None, Content_Length=length).status == 411


def test_chunks_are_refused(shared: desk.Queue) -> None:
    with desk.Line(shared.port) as line:
        assert line.ask("POST", "/v1/tasks", None, Transfer_Encoding="chunked").status == 411


def test_a_huge_body_is_refused_before_it_is_kept(shared: desk.Queue) -> None:
    with desk.Line(shared.port) as line:
        assert line.ask("POST", "/v1/tasks", {"text": "x" * 3_000_000}).status == 413
    assert shared.ask("POST", "/v1/tasks", {"kind": "ping", "payload": {"x": "y" * 300_000}}).status == 413


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\n",
        b"GET\n",
        b"GET /healthz\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_http_gets_one_refusal(shared: desk.Queue, raw: bytes) -> None:
    with desk.Line(shared.port) as line:
        assert line.send(raw).status == 400


def test_a_client_that_leaves_in_the_middle_hurts_nobody(shared: desk.Queue) -> None:
    for raw in (b"", b"POST /v1/ta", b"POST /v1/tasks HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"):
        with desk.Line(shared.port) as line:
            line.socket.sendall(raw)
    assert shared.ask("GET", "/healthz").status == 200
    assert "Traceback" not in shared.log


def test_a_kept_connection_answers_without_the_40_ms_of_a_delayed_ack(shared: desk.Queue) -> None:
    """Measured with headers and body in two packets: 22 requests a second."""
    with desk.Line(shared.port) as line:
        for _ in range(50):
            line.socket.sendall(f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{shared.port}\r\n\r\n".encode())
            head, end, body = line.socket.recv(65536).partition(b"\r\n\r\n")
            assert end and f"Content-Length: {len(body)}\r\n".encode() in head + b"\r\n", "all of it in one piece"


def test_a_client_may_ask_before_it_sends_its_body(shared: desk.Queue) -> None:
    with desk.Line(shared.port) as line:
        assert line.ask("POST", "/v1/tasks", None, **{"Content-Length": "2", "Expect": "100-continue"}).status == 100
        assert line.send(b"{}").status == 401
