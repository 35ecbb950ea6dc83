# SPDX-License-Identifier: GPL-2.0-or-later
"""The finder in a browser: what its filters show, how wide it is, and that it asks nobody else.

Debian's headless shell prints a page as its script left it, or takes a picture of it; nothing
drives it. Where a test must act on a page or measure it, the server adds a script to the page. The
pictures stay in pytest's folders for people to look at.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from builder.store.finder.pages import pages
from builder.store.index import SeriesEntry
from tests.integration.harness import IN_CI
from tests.unit.finderworld import NOW, world
from tests.unit.pagecheck import Page

# The whole browser does not make a window as narrow as a phone.
BROWSER = "chromium-headless-shell"
PHONE, DESK = 360, 1280
# Seconds; a page takes less than one.
PATIENCE = 60.0
INDEX, FACTS = world()
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript"}
SCHEMES = {"dark": 0, "light": 1}
GROUNDS = {"dark": "rgb(18, 21, 23)", "light": "rgb(245, 246, 248)"}
EXTRA = "extra.js"
MEASURE = """
const root = document.documentElement;
root.dataset.width = root.scrollWidth;
root.dataset.ground = getComputedStyle(root).backgroundColor;
for (const each of document.querySelectorAll("details")) each.open = true;
root.dataset.opened = root.scrollWidth;
"""
CHOOSE = """
const form = document.getElementById("filter");
const root = document.documentElement;
const shown = () => document.querySelectorAll(".card:not([hidden])").length;
form.elements.arch.value = "riscv64";
form.dispatchEvent(new Event("input", {bubbles: true}));
form.requestSubmit();
root.dataset.chosen = `${shown()} ${location.search}`;
form.querySelector("button").click();
setTimeout(() => { root.dataset.cleared = `${shown()} ${location.search}`; }, 50);
"""


@dataclass
class Site:
    """The finder on a web server on this machine; `asked` are the paths that were asked for.

    `extra` is a script for the first page, `inline` is put into it as it is; without `script` the
    finder's own script does not arrive, as if the browser had none.
    """

    files: dict[str, bytes]
    url: str = ""
    extra: str = ""
    inline: str = ""
    script: bool = True
    asked: list[str] = field(default_factory=list)

    def content(self, path: str) -> bytes | None:
        """What is served for a path."""
        self.asked.append(path)
        if path == EXTRA:
            return self.extra.encode()
        if path.endswith(".js") and not self.script:
            return None
        found = self.files.get(path)
        if found is None or not path.endswith(".html"):
            return found
        up = "../" * path.count("/")
        more = f'<script src="{up}{EXTRA}" defer></script>' if self.extra else ""
        return found.replace(b"</head>", f"{more}{self.inline}</head>".encode())


class Handler(BaseHTTPRequestHandler):
    """Serves a site."""

    def __init__(self, site: Site, *arguments: object) -> None:
        self.site = site
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.removeprefix("/") or "index.html"
        content = self.site.content(path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Type", TYPES.get(Path(path).suffix, "text/plain"))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_arguments: object) -> None:
        """The site remembers what was asked."""


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site(dict(pages(INDEX, FACTS, NOW)))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, found))
    found.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


Browse = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """Open an address, and return what the browser printed."""
    if shutil.which(BROWSER) is None:
        missing = f"{BROWSER} is not installed: apt-get install {BROWSER}"
        if IN_CI:
            pytest.fail(missing)
        pytest.skip(missing)

    def call(
        url: str, *options: str, width: int = DESK, scheme: str = "light"
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [
                BROWSER,
                # It has namespaces of its own, which a container or root may not make. It reads
                # nothing but our pages.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--enable-logging=stderr",
                f"--user-data-dir={tmp_path / 'profile'}",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--virtual-time-budget=2000",
                f"--window-size={width},2000",
                f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}",
                *options,
                url,
            ],
            env={**os.environ, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        assert "Uncaught" not in done.stderr, done.stderr
        return done

    return call


@pytest.fixture
def dom(site: Site, browse: Browse) -> Callable[..., Page]:
    """A page as its script left it."""

    def call(path: str = "", **other: object) -> Page:
        return Page(browse(site.url + path, "--dump-dom", **other).stdout)

    return call


def visible(page: Page) -> set[str]:
    """The series whose cards are shown."""
    cards = [card for card in page.all("article") if "hidden" not in card.attributes]
    return {card.attributes["id"].removeprefix("s-") for card in cards}


def series(fits: Callable[[SeriesEntry], bool]) -> set[str]:
    """The series with a build to be found that fit."""
    found = [each for each in INDEX.series if any(one.state == "public" for one in each.builds)]
    return {each.name for each in found if fits(each)}


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("", lambda _: True),
        ("?arch=arm64", lambda each: each.arch == "arm64"),
        ("?role=cloud", lambda each: "cloud" in each.roles),
        ("?role=none", lambda each: not each.roles),
        ("?release=debian-12", lambda each: each.name.startswith("debian-12")),
        ("?release=13", lambda each: each.release == "13"),
        ("?distro=ubuntu&arch=amd64", lambda each: each.name == "ubuntu-2404"),
        ("?format=raw.zst", lambda each: each.name == "ubuntu-2404-hypervisor-arm64"),
        ("?q=KVM+debian-13", lambda each: each.name == "debian-13-hypervisor"),
        ("?arch=arm64&role=cloud&q=", lambda each: each.name == "debian-13-cloud-arm64"),
        ("?arch=sparc", lambda _: False),
        ("?toString=1&constructor=2&page=3", lambda _: True),
    ],
)
def test_filters_show_only_what_they_should(
    dom: Callable[..., Page], query: str, fits: Callable[[SeriesEntry], bool]
) -> None:
    page = dom(query)
    expected = series(fits)
    assert visible(page) == expected
    (status,) = page.all("p", role="status")
    total = len(series(lambda _: True))
    said = f"{len(expected)} of {total} images" if expected else "No image is like this."
    assert status.text == ("" if len(expected) == total else said)
    sections = [s for s in page.all("section", class_="release") if "hidden" not in s.attributes]
    assert len(sections) == len({(e.distro, e.release) for e in INDEX.series if e.name in expected})
    assert "hidden" not in page.all("form")[0].attributes


def test_an_address_cannot_add_anything_to_the_page(dom: Callable[..., Page]) -> None:
    text = "%3Cimg%20src=x%20onerror=%22document.title='x'%22%3E"
    page = dom(f"?q={text}&arch={text}")
    assert visible(page) == set()
    assert not page.all("img")
    assert page.all("title")[0].text == "Machine images"


def test_choosing_and_clearing(site: Site, dom: Callable[..., Page]) -> None:
    site.extra = CHOOSE
    root = dom().all("html")[0].attributes
    assert root["data-chosen"] == "1 ?arch=riscv64"
    assert root["data-cleared"].split() == [str(len(series(lambda _: True)))]
    assert site.asked.count("index.html") == 1


def test_without_a_script_everything_is_there(site: Site, dom: Callable[..., Page]) -> None:
    site.script = False
    page = dom("?arch=arm64")
    assert visible(page) == series(lambda _: True)
    assert "hidden" in page.all("form")[0].attributes


def test_it_asks_for_its_own_files_only(site: Site, browse: Browse) -> None:
    done = browse(site.url, "--dump-dom")
    assert sorted(site.asked) == ["finder.css", "finder.js", "index.html"]
    assert "Content Security Policy" not in done.stderr, done.stderr
    site.asked.clear()
    browse(site.url + "debian-13/index.html", "--dump-dom")
    assert sorted(site.asked) == ["debian-13/index.html", "finder.css"]


def test_what_somebody_slipped_in_is_not_run(site: Site, browse: Browse) -> None:
    site.inline = (
        "<script>document.title = 'changed'</script>"
        f"<img src='{site.url}spy.png' onerror='document.title = 1'>"
    )
    done = browse(site.url, "--dump-dom")
    assert Page(done.stdout).all("title")[0].text == "Machine images"
    assert "spy.png" not in site.asked
    assert "Content Security Policy" in done.stderr


def test_it_works_from_a_folder(browse: Browse, tmp_path: Path) -> None:
    for path, content in pages(INDEX, FACTS, NOW):
        target = tmp_path / "store" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    url = (tmp_path / "store/index.html").as_uri()
    assert visible(Page(browse(f"{url}?arch=riscv64", "--dump-dom").stdout)) == {
        "debian-13-riscv64"
    }


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "dark"), (DESK, "light")])
@pytest.mark.parametrize(
    "path", ["index.html", "debian-13/index.html", "debian-13-backports/index.html"]
)
def test_pages_are_as_wide_as_the_window(
    site: Site, dom: Callable[..., Page], path: str, width: int, scheme: str
) -> None:
    site.extra = MEASURE
    root = dom(path, width=width, scheme=scheme).all("html")[0].attributes
    assert root["data-ground"] == GROUNDS[scheme]
    assert root["data-width"] == root["data-opened"] == str(width)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_pictures(
    site: Site, browse: Browse, tmp_path: Path, width: int, scheme: str, script: bool
) -> None:
    site.script = script
    picture = tmp_path / f"finder-{width}-{scheme}.png"
    browse(site.url, f"--screenshot={picture}", width=width, scheme=scheme)
    content = picture.read_bytes()
    assert struct.unpack(">II", content[16:24]) == (width, 2000)
    # One colour would take some hundred bytes.
    assert len(content) > 50_000
