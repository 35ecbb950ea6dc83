# SPDX-License-Identifier: GPL-2.0-or-later
"""A new facility: its `facility.yaml` with comments, its key, and its empty store."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from builder import documents, templates
from builder.errors import InfrastructureError, UsageError
from builder.facility import config, sitekey
from builder.facility.config import Facility
from builder.facility.site import Site
from builder.store import keys
from builder.store.folder import LOCK
from builder.store.index import StoreIndex
from builder.store.open import scheme

TEMPLATE: Final = "facility.yaml.j2"
# What a key is made for before there is one.
NO_KEY: Final = "0" * 40
PLAIN: Final = re.compile(r"[A-Za-z0-9/~.](?:[A-Za-z0-9._/~@+:*?-]*[A-Za-z0-9._/*])?")


@dataclass(frozen=True)
class Wishes:
    """What somebody wants a new facility to be.

    `file` is where its `facility.yaml` goes, `path` the folder of its store as that file says it;
    `remote` and `keyring` are a store to read from, `key` a key that is there already.
    """

    file: Path
    name: str
    path: str = "images"
    remote: str = ""
    keyring: Path | None = None
    key: str = ""
    series: tuple[str, ...] = ()


@dataclass(frozen=True)
class Made:
    """What was made; `public` is the file with the public key, `new_key` whether we made it."""

    site: Site
    file: Path
    public: Path
    new_key: bool


def name_of(host: str) -> str:
    """A facility's name from that of its machine."""
    words = re.sub(r"[^a-z0-9]+", "-", host.partition(".")[0].lower()).strip("-")
    return words[:32].strip("-") if words[:1].isalpha() else "site"


def make(wishes: Wishes, now: datetime) -> Made:
    """Make the facility; nothing that is there is overwritten.

    Raises UsageError where a file is in the way or a wish is wrong, before anything is made.
    """
    file = wishes.file.absolute()
    public = file.parent / f"{wishes.name}.gpg"
    for each in (file, public):
        if each.exists():
            raise UsageError(
                f"{each} is there already", hint="nothing is overwritten: move it away"
            )
    if bool(wishes.remote) != bool(wishes.keyring):
        raise UsageError(
            "a remote and its keyring belong together",
            hint="give both --remote and --keyring: without its key a store is not believed",
        )
    if _is_folder(wishes.remote) and not Path(wishes.remote).expanduser().is_dir():
        raise UsageError(
            f"there is no folder {wishes.remote}",
            hint="a server is written with https://, sftp:// or s3:// in front",
        )
    if not file.parent.is_dir():
        raise UsageError(f"there is no folder {file.parent}", hint="make it, or mend the spelling")
    if wishes.keyring is not None:
        keys.read_keyring(wishes.keyring)
    # All that can be wrong is said before there is a key.
    draft = Site(_parsed(text(wishes, NO_KEY), file), file.parent)
    root = draft.store.place.root
    if root.exists() and (not root.is_dir() or (not wishes.key and _is_used(root))):
        raise UsageError(
            f"{root} is there already, and is not empty",
            hint="choose another folder with --path; or give the store's own key with --key",
        )
    key = wishes.key or sitekey.make(f"Images of {wishes.name}")
    content = text(wishes, key)
    site = Site(_parsed(content, file), file.parent)
    sitekey.try_to_sign(key)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        if not _is_used(root):
            # A store that was there before, and that its owner removed.
            site.store.publisher.memory.forget(site.store.place.url)
        open_store(site, now)
        public.write_bytes(keys.Signer(key).keyring().content)
        # Last: a facility whose file is there is whole.
        file.write_text(content, encoding="utf-8")
    except OSError as error:
        raise InfrastructureError(
            f"{error.filename}: {error.strerror}",
            hint="make it writable; then call this again with --key " + key,
        ) from error
    return Made(site, file, public, not wishes.key)


def _is_used(root: Path) -> bool:
    """Whether there is anything in a store's folder but its lock."""
    return root.is_dir() and any(each.name != LOCK for each in root.iterdir())


def open_store(site: Site, now: datetime) -> StoreIndex:
    """The index of a site's store, which is empty if there was none."""
    publisher = site.store.publisher
    with publisher.place.lock():
        there = publisher.current()
        return publisher.replace(there, (), now) if there is None else there


def text(wishes: Wishes, key: str) -> str:
    """`facility.yaml` with comments."""
    folder = wishes.file.absolute().parent
    environment = templates.plain(Path(__file__).parent)
    environment.filters["scalar"] = scalar
    return environment.get_template(TEMPLATE).render(
        name=wishes.name,
        path=wishes.path,
        key=key,
        keyring=f"{wishes.name}.gpg",
        remote=_from_here(wishes.remote, folder) if _is_folder(wishes.remote) else wishes.remote,
        remote_keyring=_from_here(str(wishes.keyring), folder) if wishes.keyring else "",
        series=_series(wishes),
    )


def scalar(value: str) -> str:
    """A text as YAML: as it is where that means itself, else in quotes."""
    return value if PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def _series(wishes: Wishes) -> Sequence[str]:
    return wishes.series or (("debian-13",) if wishes.remote else ())


def _is_folder(url: str) -> bool:
    return bool(url) and not scheme(url)


def _from_here(path: str, folder: Path) -> str:
    """A path of the person's own folder, as a file in `folder` has to say it."""
    absolute = Path(path).expanduser().absolute()
    inside = absolute.is_relative_to(folder)
    return str(absolute.relative_to(folder) if inside else absolute)


def _parsed(content: str, file: Path) -> Facility:
    return documents.parse(Facility, content, file, config.SCHEMA)
