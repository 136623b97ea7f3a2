"""What is taken for a secret, by its name and by its text."""

from __future__ import annotations

import time

import pytest
import rig

from autosys_tasks.backup.secrets_text import LARGEST, holds_secret, looks_secret, some_look_secret

SECRET_PATHS = [
    ".env", "app/.env", ".env.local", ".env.production", "prod.env", ".envrc", "id_rsa", "keys/id_ed25519",
    "server.pem", "tls/server.key", "cert.p12", "x.pfx", "store.jks", "vault.kdbx", "credentials.json",
    "gcp-credentials.json", "credentials", ".aws/credentials", "client_secret_12.apps.googleusercontent.com.json",
    "secrets.toml", "secret.yaml", "config/secrets/a.txt", ".ssh/config", "token.json", "token", "token.pickle",
    "github.token", "access_token.txt", "refresh-token", ".netrc", "_netrc", ".pgpass", ".npmrc", ".pypirc",
    ".git-credentials", "service-account.json", "service_account_prod.json", ".kube/config", "rclone.conf",
    "ID_RSA", "Login Data", "passwords.txt", "내 secrets.json",
]  # fmt: skip
PLAIN_PATHS = [
    "config.json", ".env.example", ".env.sample", "env.py", "environment.yml", "id_rsa.pub", "monkey.txt",
    "keyboard.json", "key.py", "tokenizer.json", "tokens.py", "docs/secrets.md", "secrets.py",
    "tests/credentials.py", ".ssh/id_rsa.pub", "passwordless.md", "outputs/report.html", "secretary.txt",
    "notoken.json5", ".ssh/known_hosts", "keys", "a.keynote", "age.csv", "notes/account.html", "rsa.txt",
]  # fmt: skip
LETTERS = "aB3dE5gH1jK7mN9pQ2rS4tU6vW8xY0zAbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
SECRET_TEXTS = [
    "-----BEGIN RSA PRIVATE KEY-----\nMII", "-----BEGIN OPENSSH PRIVATE KEY-----",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----",
    f"id = AKIA{'Q7' * 8}", f"aws_secret_access_key = {LETTERS[:40]}", f"ghp_{LETTERS[:36]}",
    f"github_pat_{LETTERS[:30]}", f"glpat-{LETTERS[:20]}", f"xoxb-{LETTERS[:20]}",
    f"https://hooks.slack.com/services/T0/B0/{LETTERS[:24]}", f"key: AIza{LETTERS[:35]}", f"sk-ant-{LETTERS[:40]}",
    f"OPENAI='sk-{LETTERS[:48]}'", f"sk_live_{LETTERS[:24]}", f"hf_{LETTERS[:34]}", f"npm_{LETTERS[:36]}",
    "postgres://desk:hunter22@db.local/x", "https://user:p4ss@host/", f"ASIA{'Q7' * 8}", f"gho_{LETTERS[:36]}",
    f"ghu_{LETTERS[:36]}", f"ghs_{LETTERS[:36]}", f"ghr_{LETTERS[:36]}", f"rk_live_{LETTERS[:24]}",
    f"https://discord.com/api/webhooks/{'1' * 18}/{LETTERS[:40]}", f"ya29.{LETTERS[:30]}",
    f"pypi-AgE{LETTERS[:60]}", f"SG.{LETTERS[:22]}.{LETTERS[:22]}", f"dop_v1_{'0a' * 32}", f"sk-proj-{LETTERS[:30]}",
]  # fmt: skip
PLAIN_TEXTS = [
    "", "nothing here", "-----BEGIN PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----", "AKIA", "ghp_short",
    "task-list-item", "https://host/a:b@c", "https://host:8080/x", "postgres://${USER}:${PASSWORD}@host/x",
    "http://<user>:<pass>@host", "mailto:a@b.c", "risk-assessment-of-everything-we-do"[:20], "a://b",
    "git@github.com:desk/desk.git",
]  # fmt: skip


@pytest.mark.parametrize("path", SECRET_PATHS)
def test_a_name_that_secrets_have(path: str) -> None:
    assert looks_secret(path)


@pytest.mark.parametrize("path", PLAIN_PATHS)
def test_a_name_that_is_like_one_and_is_not(path: str) -> None:
    assert not looks_secret(path)


@pytest.mark.parametrize("path", SECRET_PATHS)
def test_one_secret_among_many_names_is_not_overlooked(path: str) -> None:
    folder, _, name = path.rpartition("/")
    assert some_look_secret(folder, ["a.txt", name, "b"]) and some_look_secret(folder, [name])


def test_among_harmless_names_none_need_be_asked() -> None:
    assert not some_look_secret("a/notes", ["a.txt", "monkey.txt", "keyboard.json", "notoken.json5"])
    assert not some_look_secret("", [])


@pytest.mark.parametrize("text", SECRET_TEXTS)
def test_a_text_with_a_key_in_it(text: str) -> None:
    assert holds_secret(f"before\n{text}\nafter".encode())


@pytest.mark.parametrize("text", PLAIN_TEXTS)
def test_a_text_without(text: str) -> None:
    assert not holds_secret(text.encode())


@pytest.mark.parametrize("piece", ["a", "sk-", "://a", "a://b:", "-----BEGIN Y", "ghp_", "SG.aaaaaaaaaaaa.", "xoxb-"])
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    holds_secret((piece * LARGEST)[:LARGEST].encode())
    looks_secret((piece * 4000)[:4000])
    assert time.process_time() - began < rig.stretched()
