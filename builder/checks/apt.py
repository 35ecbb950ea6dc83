# SPDX-License-Identifier: GPL-2.0-or-later
"""Where an image gets its packages from: signed, its own, once, and nothing of the build.

Each function is one check, named and given its reason in `builder.checks.offline`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from debian.deb822 import Deb822

from builder.checks.rootfs import Rootfs
from builder.checks.terms import AptArchive, Subject

# deb [option=value ...] uri suite component ...
ONE_LINE = re.compile(
    r"^\s*(?P<type>deb|deb-src)\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)"
    r"(?P<components>[^#]*)"
)
# Options that let packages in that nobody signed.
UNSAFE = ("trusted", "allow-insecure", "allow-weak")
YES = ("yes", "true", "1", "on", "enable", "with")


@dataclass(frozen=True)
class ImageSource:
    """One entry of the image's own apt sources; its options have lower-case names."""

    where: str
    types: tuple[str, ...]
    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: dict[str, str]

    @property
    def archives(self) -> tuple[AptArchive, ...]:
        """Each suite and component that is fetched from each address."""
        return tuple(
            AptArchive(uri.rstrip("/"), suite, component)
            for uri in self.uris
            for suite in self.suites
            for component in self.components or ("",)
        )


# A command of apt's configuration that sends its traffic elsewhere: Acquire::http::Proxy "...";
PROXY = re.compile(r"^[^/#]*\b(proxy|proxy-auto-detect)\b[^;]*\"[^\"]+\"", re.IGNORECASE)


def apt_sources(subject: Subject) -> Iterator[str]:
    """There must be apt sources, each with its key, none of them unsigned."""
    sources = tuple(_sources(subject.root))
    if not sources:
        yield "there are no apt sources, so no updates"
    for source in sources:
        signed_by = source.options.get("signed-by", "")
        if not signed_by and subject.promise.signed_by:
            yield f"{source.where} does not say which key signs it (Signed-By)"
        for keyring in _keyrings(signed_by):
            if not subject.root.size(keyring):
                yield f"{source.where} names {keyring}, which is missing or empty"
        for option in UNSAFE:
            if source.options.get(option, "no").lower() in YES:
                yield f"{source.where} has {option}: packages need no signature"


def apt_foreign(subject: Subject) -> Iterator[str]:
    """The sources must name exactly the promised archives, suites and components."""
    if subject.promise.apt_archives is None:
        return
    wanted = {replace(each, uri=each.uri.rstrip("/")) for each in subject.promise.apt_archives}
    found = {each: source for source in _sources(subject.root) for each in source.archives}
    for each in sorted(found.keys() - wanted):
        yield f"{each} in {found[each].where} is not meant to be a source"
    yield from (f"{each} is missing in the sources" for each in sorted(wanted - found.keys()))


def apt_duplicates(subject: Subject) -> Iterator[str]:
    """No archive may be named twice, in one file or in two, by whatever protocol."""
    seen: dict[tuple[str, AptArchive], str] = {}
    for source in _sources(subject.root):
        for kind in source.types:
            for each in source.archives:
                key = (kind, replace(each, uri=each.uri.partition("://")[2].lower()))
                if key in seen:
                    yield f"{each} is in {seen[key]} and again in {source.where}"
                seen.setdefault(key, source.where)


def apt_keys(subject: Subject) -> Iterator[str]:
    """A key that may sign any archive must come from a package."""
    for path in ("etc/apt/trusted.gpg", *subject.root.glob("etc/apt/trusted.gpg.d/*")):
        if subject.root.size(path) and path not in subject.owned:
            yield f"/{path} is trusted for every archive, and comes from no package"


def apt_passwords(subject: Subject) -> Iterator[str]:
    """apt's settings must hold no passwords."""
    for path in ("etc/apt/auth.conf", *subject.root.glob("etc/apt/auth.conf.d/*")):
        if (subject.root.text(path) or "").strip():
            yield f"/{path} holds what one logs in to an archive with"
    for source in _sources(subject.root):
        for uri in source.uris:
            if "@" in uri.partition("://")[2].partition("/")[0]:
                yield f"{source.where} has a name or password in an address"


def apt_leftovers(subject: Subject) -> Iterator[str]:
    """apt's folders must hold no lists, no packages and no caches."""
    for folder in ("var/lib/apt/lists", "var/cache/apt"):
        for entry in subject.root.under(folder):
            # apt's lock files are part of no package, but empty, and made again at once.
            empty_lock = entry.path.endswith("/lock") and entry.info.st_size == 0
            if not entry.is_folder and not empty_lock:
                yield f"/{entry.path} exists"


def proxies(subject: Subject) -> Iterator[str]:
    """apt's configuration must name no proxy."""
    for path in ("etc/apt/apt.conf", *subject.root.glob("etc/apt/apt.conf.d/*")):
        for line in subject.root.lines(path):
            if PROXY.search(line):
                yield f"/{path} names a proxy: {line.strip()}"


def _keyrings(signed_by: str) -> tuple[str, ...]:
    """The files that a Signed-By names; it may hold fingerprints as well, or a whole key."""
    if "-----BEGIN" in signed_by:
        return ()
    return tuple(word for word in re.split(r"[\s,]+", signed_by) if word.startswith("/"))


def _sources(root: Rootfs) -> Iterator[ImageSource]:
    """The enabled entries of sources.list(5), of both styles."""
    for path in ("etc/apt/sources.list", *root.glob("etc/apt/sources.list.d/*.list")):
        for number, line in enumerate(root.lines(path), 1):
            if match := ONE_LINE.match(line):
                pairs = (word.partition("=") for word in (match["options"] or "").split())
                yield ImageSource(
                    where=f"/{path}:{number}",
                    types=(match["type"],),
                    uris=(match["uri"],),
                    suites=(match["suite"],),
                    components=tuple(match["components"].split()),
                    options={key.rstrip("+-").lower(): value for key, _, value in pairs},
                )
    for path in root.glob("etc/apt/sources.list.d/*.sources"):
        stanzas = Deb822.iter_paragraphs(root.lines(path), use_apt_pkg=False)
        for number, entry in enumerate(stanzas, 1):
            options = {key.lower(): value.strip() for key, value in entry.items()}
            if options.get("enabled", "yes").lower() in YES:
                yield ImageSource(
                    where=f"/{path}, stanza {number}",
                    types=tuple(options.get("types", "").split()),
                    uris=tuple(options.get("uris", "").split()),
                    suites=tuple(options.get("suites", "").split()),
                    components=tuple(options.get("components", "").split()),
                    options=options,
                )
