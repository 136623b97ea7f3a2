"""What an http answer holds, read from the wire: JSON, a text, chunks, torn ones, and what is no http at all."""

from __future__ import annotations

import json
import socket
import struct
import sys

import pytest

from autosys_tasks.core.verdict import NG, OK


@pytest.mark.parametrize(
    ("wanted", "body", "why"),
    [
        ({"status": "ok"}, {"status": "ok", "more": 1}, ""),
        ({"status": "ok"}, {"status": "down"}, 'json `status` is "down", wanted "ok"'),
        ({"status": "ok"}, {"state": "ok"}, 'json has no `status`, wanted "ok"'),
        ({"status": "ok"}, ["ok"], 'json has no `status`, wanted "ok"'),
        ({"ready": True}, {"ready": 1}, "json `ready` is 1, wanted true"),
        ({"n": 1}, {"n": True}, "json `n` is true, wanted 1"),
        ({"n": 1}, {"n": 1.0}, ""),
        ({"n": None}, {"n": None}, ""),
        ({"db.up": True}, {"db": {"up": True}}, ""),
        ({"db.up": True}, {"db.up": True}, ""),
        ({"db": {"up": True}}, {"db": {"up": False, "x": 0}}, "json `db.up` is false, wanted true"),
        ({"db": {"up": True}}, {"db": {"up": True, "x": 0}}, ""),
        ({"checks.1.state": "ok"}, {"checks": [{}, {"state": "ok"}]}, ""),
        ({"checks.2.state": "ok"}, {"checks": [{}, {}]}, 'json has no `checks.2.state`, wanted "ok"'),
        ({"이름": "책상"}, {"이름": "의자"}, 'json `이름` is "의자", wanted "책상"'),
    ],
)
def test_json_is_held_against_what_is_wanted(says, reply, ask_web, wanted, body, why):
    answer = ask_web(says(reply(json.dumps(body).encode())), json=wanted)
    assert (answer.verdict, answer.why) == (NG if why else OK, why)


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff\xfe\xfa", b'{"status": "ok"', b"[" * 200_000])
def test_what_is_not_json_is_said_to_be_none(says, reply, ask_web, body):
    answer = ask_web(says(reply(body, "200 OK", "Content-Type: text/html; charset=utf-8")), json={"a": 1})
    assert (answer.verdict, answer.why) == (NG, "the answer is not JSON (text/html)")


def test_json_with_a_byte_order_mark_or_in_utf_16_is_read(says, reply, ask_web):
    for encoding in ("utf-8-sig", "utf-16"):
        assert ask_web(says(reply('{"a": "한글"}'.encode(encoding))), json={"a": "한글"}).verdict == OK


def test_a_text_is_found_in_the_answers_own_encoding(says, reply, ask_web):
    korean = says(reply("준비 완료".encode("cp949"), "200 OK", 'Content-Type: text/plain; charset="cp949"'))
    assert ask_web(korean, text="완료").verdict == OK
    assert ask_web(korean, text="fehlt").why == "text not found"
    unheard = says(reply(b"ready", "200 OK", "Content-Type: text/plain; charset=klingon"))
    assert ask_web(unheard, text="ready").verdict == OK


def chunked(*parts: bytes) -> bytes:
    body = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body


def test_chunks_are_put_together(says, ask_web):
    raw = chunked(b'{"sta', b'tus": ', b'"ok"}') + b"0\r\nTrailer: x\r\n\r\n"
    assert ask_web(says(raw), json={"status": "ok"}).verdict == OK
    single = chunked(*[bytes([byte]) for byte in b'{"status": "ok"}']) + b"0\r\n\r\n"
    assert ask_web(says(single), json={"status": "ok"}).verdict == OK


@pytest.mark.parametrize(
    "raw",
    [
        chunked(b"whole"),
        chunked(b"torn")[:-3],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhallo\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcde\r\n0\r\n\r\n",
    ],
)
def test_torn_chunks_are_no_answer(says, ask_web, raw):
    answer = ask_web(says(raw))
    assert answer.why == "the answer ended early (in the middle of its chunks)"


def test_an_answer_that_ends_early_is_no_answer(says, ask_web):
    torn = says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
    assert ask_web(torn).why == "the answer ended early (10 of 100 bytes)"
    assert ask_web(says(b"HTTP/1.1 200 OK\r\nX: y\r\n")).why == "the answer ended within its headers"
    assert ask_web(says(b"")).why == "closed without an answer"


def test_a_body_until_the_connection_closes_is_read(says, ask_web):
    assert ask_web(says(b"HTTP/1.0 200 OK\r\n\r\nready"), text="ready").verdict == OK
    assert ask_web(says(b"HTTP/1.1 200\nX: y\n\nready"), text="ready").verdict == OK


def test_a_provisional_answer_is_passed_over(says, reply, ask_web):
    raw = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + reply(b"fine")
    assert ask_web(says(raw), text="fine").verdict == OK


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", "not HTTP: the answer begins with `SSH-2.0-OpenSSH_9.9`"),
        (b"\x15\x03\x01\x00\x02", "not HTTP: the answer begins with `.....`"),
        (b"HTTP/1.1 abc\r\n\r\n", "not HTTP: the answer begins with `HTTP/1.1 abc`"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "not HTTP: a length that is no number"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, "not HTTP: a line of more than 64 kB"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40_000, "not HTTP: more than 64 kB of headers"),
    ],
)
def test_what_is_not_http_is_said_to_be_none(says, ask_web, raw, why):
    assert ask_web(says(raw)).why == why


def test_a_reset_connection_is_told(server, ask_web):
    def reset(connection, _request):
        two = "hh" if sys.platform == "win32" else "ii"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(two, 1, 0))

    said = ask_web(server(reset)).why
    assert said in ("the connection was reset", "closed without an answer")
    assert said.startswith("the connection") or sys.platform == "win32", "Wine closes it politely all the same"


def test_an_answer_before_the_request_was_read_still_counts(server, reply, ask_web):
    def hasty(connection, _request):
        connection.sendall(reply(b"", "413 Too Large"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    assert ask_web(server(hasty, reads=False), method="POST", body="x" * 500_000).status == 413


def test_an_answer_counts_although_the_server_closed_while_we_were_still_sending(server, reply, ask_web):
    hasty = server(lambda connection, _request: connection.sendall(reply(b"", "413 Too Large")), reads=False)
    assert ask_web(hasty, method="POST", body="x" * 20_000_000).status == 413


def test_a_huge_answer_is_read_to_one_megabyte_and_no_further(says, reply, ask_web):
    big = says(reply(b"a" * 3_000_000 + b"end"))
    assert ask_web(big).verdict == OK
    assert ask_web(big, text="end").why == "text not found in the first 1 MB"
    assert ask_web(big, json={"a": 1}).why == "the answer is larger than 1 MB: no JSON was read"
    endless = says(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 3_000_000)
    assert ask_web(endless, text="end").why == "text not found in the first 1 MB"
    assert ask_web(says(chunked(b"a" * 700_000, b"a" * 700_000))).verdict == OK
