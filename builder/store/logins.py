# SPDX-License-Identifier: GPL-2.0-or-later
"""Logins for registries, from where `docker login` or a person left them.

They are the `auths` of ~/.docker/config.json ($DOCKER_CONFIG is its folder), and ~/.netrc. Programs
that hold logins (docker-credential-*) are not asked. A login is never printed, and no error quotes
the file that it is in.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ValidationError
from requests.utils import get_netrc_auth

from builder.errors import UsageError

CONFIG = "config.json"
# How the same registry may be written in the file.
SPELLINGS = ("{}", "https://{}", "https://{}/v1/", "https://{}/v2/")


@dataclass(frozen=True)
class Login:
    """A user and a password."""

    user: str
    password: str = field(repr=False)


class _Auth(BaseModel):
    """One login of the file; `auth` is USER:PASSWORD in base64."""

    auth: str = ""


class _Config(BaseModel):
    """What concerns us of the file."""

    auths: dict[str, _Auth] = {}


def find(hosts: Iterable[str]) -> Login | None:
    """The login for a registry that has one or more names; None where nobody left one.

    Raises UsageError for a file that cannot be read.
    """
    auths = _auths(Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser() / CONFIG)
    for host in hosts:
        for spelling in SPELLINGS:
            if found := auths.get(spelling.format(host)):
                return found
        if known := get_netrc_auth(f"https://{host}"):
            return Login(*known)
    return None


def _auths(path: Path) -> dict[str, Login]:
    """The logins in a file, by registry; none where there is no file."""
    try:
        config = _Config.model_validate_json(path.read_bytes())
        return {host: _decoded(entry.auth) for host, entry in config.auths.items() if entry.auth}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", hint="make it readable, or move it away"
        ) from error
    except (ValidationError, ValueError):
        # Without the cause, which quotes what is in the file.
        raise UsageError(
            f"{path} is no file of logins as docker writes it", hint="docker login writes it anew"
        ) from None


def _decoded(auth: str) -> Login:
    """A login from its base64; ValueError if it is none."""
    try:
        user, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except binascii.Error:
        raise ValueError("no base64") from None
    if not colon:
        raise ValueError("no password")
    return Login(user, password)
