# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a registry is, how it is spoken to, and under which names its login is kept."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from builder.store import logins
from builder.store.logins import Login
from builder.store.registry import LOGIN_NAMES, Registry


@pytest.mark.parametrize(
    ("name", "scheme", "host", "path"),
    [
        ("docker.io/starlingx/x", "https", "registry-1.docker.io", "starlingx/x"),
        ("docker.io/debian", "https", "registry-1.docker.io", "library/debian"),
        ("index.docker.io/debian", "https", "registry-1.docker.io", "library/debian"),
        ("registry.invalid/debian", "https", "registry.invalid", "debian"),
        ("registry.invalid:5000/a/b", "https", "registry.invalid:5000", "a/b"),
        ("127.0.0.1:5000/a", "http", "127.0.0.1:5000", "a"),
        ("127.0.0.2/a", "http", "127.0.0.2", "a"),
        ("localhost:5000/a", "http", "localhost:5000", "a"),
        ("localhost/a", "http", "localhost", "a"),
        ("127.0.0.1.registry.invalid/a", "https", "127.0.0.1.registry.invalid", "a"),
        ("10.0.0.1:5000/a", "https", "10.0.0.1:5000", "a"),
    ],
)
def test_where_a_registry_is(name: str, scheme: str, host: str, path: str) -> None:
    registry = Registry(name)
    assert (registry.scheme, registry.host, registry.path) == (scheme, host, path)


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("https://index.docker.io/v1/", "registry-1.docker.io"),
        ("registry.invalid:5000", "registry.invalid:5000"),
        ("https://registry.invalid", "registry.invalid"),
        ("https://registry.invalid/v2/", "registry.invalid"),
    ],
)
def test_where_a_login_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, host: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    auth = base64.b64encode(b"user:pass:word").decode()
    (tmp_path / "docker/config.json").write_text(
        json.dumps({"auths": {key: {"auth": auth, "email": "x"}}, "credsStore": "pass"})
    )
    names = (host, *LOGIN_NAMES.get(host, ()))
    assert logins.find(names) == Login("user", "pass:word")
    assert logins.find(["other.invalid"]) is None
    assert "pass" not in repr(Login("user", "pass"))


def test_nobody_left_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("NETRC", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    assert logins.find(["registry.invalid"]) is None
