# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers of upstreams that lie, break off, or never end: nothing of it is in the store."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.downloads import session
from builder.errors import InfrastructureError
from builder.progress import NoProgress
from builder.upstream import bringing, pulling
from tests.integration.apiserver import Reply, serve
from tests.integration.remoteworld import disk, sha256
from tests.integration.signing import KeyHome
from tests.integration.upstreamworld import DAY, World, made, then

HTML = b"<!DOCTYPE html><html><body>We are moving house</body></html>"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    # Nothing is signed here, so no key is needed.
    with made(tmp_path, KeyHome(tmp_path), monkeypatch) as world:
        world.ours.put("10.1")
        world.ours.write(world.upstreams)
        yield world


def image(world: World) -> str:
    return f"/ours/{world.ours.file('10.1')}"


def refused(world: World, said: str) -> None:
    """Nothing is in the store, and it is said why."""
    done = world.pull()
    (outcome,) = done.outcomes
    assert done.failed
    assert said in outcome.reason, outcome.reason
    assert not world.images()
    assert world.store.current() is None


def changed(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_a_byte_is_another(world: World) -> None:
    content = world.ours.content[world.ours.file("10.1")]
    world.server.routes[image(world)] = serve(changed(content))
    refused(world, "is not what its publisher says: its sha256 is another")
    assert not [path for path in (world.folder / "cache/incoming").rglob("*") if path.is_file()]
    world.ours.publish()
    assert world.one().answer == "pulled"


LISTS: dict[str, tuple[Callable[[str, bytes], str], str]] = {
    "of another file": (lambda name, _: f"{sha256(b'other')}  {name}\n", "its sha256 is another"),
    "for a longer name": (
        lambda name, made: f"{sha256(made)}  other-{name}\n",
        "has no version of alma-10",
    ),
    "too short": (lambda name, made: f"{sha256(made)[:-1]}  {name}\n", "is no list of digests"),
    "weak": (lambda name, made: f"{sha256(made)[:32]}  {name}\n", "no digest by sha256"),
    "a page": (lambda _, __: HTML.decode(), "is no list of digests"),
    "empty": (lambda _, __: "", "is no list of digests"),
    "two digests": (
        lambda name, made: f"{sha256(made)}  {name}\n{sha256(b'other')}  {name}\n",
        "has two digests",
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_that_are_wrong(world: World, name: str) -> None:
    write, said = LISTS[name]
    file = world.ours.file("10.1")
    world.ours.list(write(file, world.ours.content[file]).encode())
    refused(world, said)


@pytest.mark.parametrize("kind", ["text/html", "application/octet-stream"])
def test_a_page_in_place_of_the_image(world: World, kind: str) -> None:
    world.server.routes[image(world)] = serve(HTML, kind)
    refused(world, "is a web page" if kind == "text/html" else "is a document, and no image")


def test_an_image_that_reads_other_files(world: World) -> None:
    """Its digest is right, and it is no image to be opened."""
    secret = world.folder / "secret"
    secret.write_bytes(b"secret" * 1000)
    parts = ("-o", f"backing_file={secret},backing_fmt=raw", "-B", str(secret), "-F", "raw")
    try:
        content = disk(world.folder, 4 << 20, *parts[:2])
    except Exception:
        content = disk(world.folder, 4 << 20, *parts[2:])
    world.ours.put("10.1", content=content)
    refused(world, "backing file")


def test_a_file_without_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bringing, "LARGEST", 8 << 20)
    content = world.ours.content[world.ours.file("10.1")]
    world.server.routes[image(world)] = Reply(content, endless=True)
    monkeypatch.setattr("builder.imports.inspecting.PAGES", ())
    monkeypatch.setattr("builder.imports.inspecting.MAGIC", {})
    refused(world, "is larger than it may be (8388608 bytes)")


def test_a_list_without_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.imports.vouching.LARGEST_LIST", 1 << 20)
    world.server.routes["/ours/SHA256SUMS"] = Reply(endless=True)
    refused(world, "is larger than it may be (1048576 bytes)")


def test_too_many_requests(world: World) -> None:
    slow = Reply(status=429, headers={"Retry-After": "0"})
    listed = world.server.routes["/ours/SHA256SUMS"]
    world.server.routes["/ours/SHA256SUMS"] = then(slow, listed)
    assert world.one().answer == "pulled"


def test_a_server_that_wants_to_be_left_alone(world: World) -> None:
    slow = Reply(status=429, headers={"Retry-After": str(session.PATIENCE + 1)})
    world.server.routes["/ours/SHA256SUMS"] = slow
    refused(world, f"asks to wait {session.PATIENCE + 1} s")
    assert len(world.asked()) == 1


def elsewhere(world: World, path: str) -> Reply:
    """The same file, at a server of another name."""
    other = f"http://localhost:{world.server.server_port}/other{path}"
    world.server.routes[f"/other{path}"] = world.server.routes[path]
    return Reply(status=302, headers={"Location": other})


def test_an_unsigned_list_of_another_server(world: World) -> None:
    path = "/ours/SHA256SUMS"
    world.server.routes[path] = elsewhere(world, path)
    refused(world, "is answered by another server, localhost, and nothing in it is signed")
    world.ours.write(world.upstreams, redirects=["localhost"])
    assert world.one().answer == "pulled"


def test_an_image_of_another_server(world: World) -> None:
    """Its digest is known, so anybody may send it."""
    world.server.routes[image(world)] = elsewhere(world, image(world))
    assert world.one().answer == "pulled"


def test_killed_in_the_middle(world: World) -> None:
    """What was here stays, and is not asked for again."""
    content = world.ours.put("10.1", content=disk(world.folder) + os.urandom(3 << 20))
    child = os.fork()
    if child == 0:
        world.server.routes.clear()
        try:
            _die_at(world, 2 << 20)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not world.images()
    world.server.log.clear()
    outcome = world.one()
    asked = [each for each in world.server.log if each.path == image(world)]
    (begin,) = [each.headers["Range"].removeprefix("bytes=").rstrip("-") for each in asked]
    assert 2 << 20 <= int(begin) < len(content)
    assert outcome.transferred == len(content) - int(begin)
    assert outcome.answer == "pulled"


def _die_at(world: World, size: int) -> None:
    """Pull, and be gone when so many bytes are here."""

    class Deadly(pulling._Meter):
        here = 0

        def __call__(self, count: int) -> None:
            Deadly.here += count
            if Deadly.here >= size:
                os.kill(os.getpid(), signal.SIGKILL)

    pulling._Meter = Deadly  # type: ignore[misc]
    world.pull()


def test_an_interrupt_ends_all_downloads(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is interrupted ends the others, which would go on by themselves."""
    other = world.another("other")
    other.put("10.1")
    other.write(world.upstreams)
    for each in (world.ours, other):
        name = each.file("10.1")
        world.server.routes[each.base + name] = Reply(each.content[name], endless=True)
    seen = [0]

    class Interrupted(NoProgress):
        def update(self, done: int, _total: int, _detail: str = "") -> None:
            before, seen[0] = seen[0], done
            if before < 20 <= done:
                raise KeyboardInterrupt

    monkeypatch.setattr(bringing, "LARGEST", 512 << 20)
    monkeypatch.setattr("builder.imports.inspecting.PAGES", ())
    monkeypatch.setattr("builder.imports.inspecting.MAGIC", {})
    monkeypatch.setattr("tests.integration.upstreamworld.NoProgress", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        world.pull()
    assert 20 <= seen[0] < 400


def test_a_store_that_another_publisher_holds(world: World) -> None:
    """The image is here then, and need not come again."""
    content = world.ours.content[world.ours.file("10.1")]

    def held(*_words: Any, **_more: Any) -> Any:
        raise InfrastructureError("another publisher is at work")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulling, "publish", held)
        refused(world, "another publisher is at work")
    world.asked()
    assert world.one().transferred == 0
    assert image(world) not in world.asked()
    assert world.manifest().files[0].sha256 == sha256(content)


def test_a_cleanup_that_fails_is_said_and_made_up_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ours.write(world.upstreams, keep=1)
    world.pull()
    world.ours.put("10.2", "20261102")

    def failing(*_words: Any) -> Any:
        raise InfrastructureError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr("builder.store.tending._sweep", failing)
        done = world.pull()
    assert done.failed
    assert done.errors == ("old builds were not removed: the disk is gone",)
    assert [each.answer for each in done.outcomes] == ["pulled"]
    # The index does not name it any more, and its files are there.
    assert world.serials() == ["20261102"]
    assert len(world.images()) == 2
    assert not world.pull().failed
    assert world.images() == ["alma-10-20261102.qcow2"]


def test_a_package_list_that_fails_is_a_warning(world: World) -> None:
    world.ours.write(world.upstreams, packages={"file": "{stem}.manifest", "form": "dpkg"})
    outcome = world.one()
    assert (outcome.answer, ".manifest is not there" in outcome.warning) == ("pulled", True)
    assert world.serials() == [DAY]
    assert outcome.code == 0
