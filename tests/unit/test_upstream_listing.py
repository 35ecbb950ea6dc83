# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists of folders, as servers write them, and nothing of what only looks like one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.downloads.documents import Document
from builder.errors import InfrastructureError
from builder.upstream import folders
from builder.upstream.folders import Child

RECORDED = Path(__file__).parents[1] / "recorded"
URL = "https://images.example.org/pub/cloud/"
NGINX = """\
<html><head><title>Index of /pub/cloud/</title></head><body><h1>Index of /pub/cloud/</h1><hr><pre>
<a href="../">../</a>
<a href="9.8/">9.8/</a>                               26-May-2026 09:12                   -
<a href="a%20very%20long%20name.qcow2">a very long na..&gt;</a>  01-Feb-2026 23:59     397475840
</pre></body></html>"""
FANCY = """\
<html><title>Mirror</title><table><tr><td><a href="../?C=N&amp;O=A">Parent directory/</a></td></tr>
<tr><td><a href="../">Parent directory/</a></td><td>-</td><td>-</td></tr>
<tr><td class="link"><a href="10.2/" title="10.2">10.2/</a></td><td>-</td>
<td class="date">2026-May-26 09:12</td></tr></table></html>"""


def page(text: str | bytes, url: str = URL) -> list[Child]:
    content = text.encode() if isinstance(text, str) else text
    return list(folders._once(folders.of_page(Document(url, content))))


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def test_what_apache_lists_as_a_table() -> None:
    url = "https://cdimage.example.org/cdimage/cloud/trixie/daily/"
    found = page((RECORDED / "osism/debian13/index.html").read_bytes(), url)
    assert found[0] == Child("20260319-2421", True, at(2026, 3, 19, 8, 51))
    assert all(child.folder and child.modified for child in found if child.name != "latest")
    assert [child.name for child in found].count("20260320-2422") == 1
    assert not any("trixie" in child.name or "?" in child.name for child in found)


def test_what_ubuntu_lists_between_words_and_links() -> None:
    content = (RECORDED / "osism/ubuntu2404/index.html").read_bytes()
    found = page(content, "https://cloud-images.ubuntu.com/noble/")
    assert [child.name for child in found] == [
        "20260307",
        "20260321",
        "20260323",
        "20260518",
        "20260615",
        "20260705",
        "current",
    ]
    assert found[0] == Child("20260307", True, at(2026, 3, 11, 2, 26))


def test_what_nginx_lists() -> None:
    assert page(NGINX) == [
        Child("9.8", True, at(2026, 5, 26, 9, 12)),
        Child("a very long name.qcow2", False, at(2026, 2, 1, 23, 59)),
    ]
    assert page(FANCY) == [Child("10.2", True, at(2026, 5, 26, 9, 12))]


@pytest.mark.parametrize(
    "href",
    [
        "../other/",
        "..",
        "/",
        "/pub/",
        "/pub/cloud/",
        "./",
        "",
        "a/b",
        "https://elsewhere.example.org/pub/cloud/image",
        "//elsewhere.example.org/pub/cloud/image",
        "http://images.example.org/pub/cloud/image",
        "ftp://images.example.org/pub/cloud/image",
        "https://images.example.org:8443/pub/cloud/image",
        "javascript:alert(1)",
        "mailto:a@example.org",
        "?C=M;O=A",
        "image?x=1",
        "image#part",
        "a%2Fb",
        "%2e%2e",
        "%2e%2e/",
        "..%2f",
        "a%5Cb",
        "https://[bad/",
    ],
)
def test_links_to_other_places_are_no_children(href: str) -> None:
    text = NGINX.replace("9.8/", href, 1)
    assert [child.name for child in page(text)] == ["a very long name.qcow2"]


@pytest.mark.parametrize(
    "href", ["image", "./image", "/pub/cloud/image", f"{URL}image", "x/../image"]
)
def test_all_ways_to_write_a_child(href: str) -> None:
    assert page(NGINX.replace("9.8/", href, 1))[0].name == "image"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "not found",
        "<html><title>404</title><a href='/'>Home</a><a href='image.qcow2'>image</a></html>",
        "<html><h1>Maintenance</h1><a href='https://elsewhere.example.org/'>Parent Directory</a>",
        "<html><a href='down/'>Parent Directory</a></html>",
        "<p>The index of /pub/cloud/ is gone</p>",
        "<![bad[x",
        "<!x[",
    ],
)
def test_pages_that_are_no_list(text: str) -> None:
    with pytest.raises(InfrastructureError, match=r"/pub/cloud/ is no list of a folder"):
        page(text)


def test_times_that_are_none() -> None:
    for time in ("99-Foo-2026 09:12", "31-Feb-2026 09:12", "2026-13-01 00:00", "26-May-2026"):
        assert page(NGINX.replace("26-May-2026 09:12", time))[0].modified is None


def test_a_table_in_json() -> None:
    rows = [
        {"name": "15.6/", "mtime": 1781846940, "size": None, "url": "x"},
        {"name": "a.qcow2", "mtime": 1781846940, "size": 7},
        {"name": "b", "mtime": None},
        {"name": "../c"},
        {"name": "/"},
        {"name": "d/e"},
    ]
    document = Document(f"{URL}?jsontable", json.dumps({"data": rows}).encode())
    assert list(folders.of_table(document)) == [
        Child("15.6", True, at(2026, 6, 19, 5, 29)),
        Child("a.qcow2", False, at(2026, 6, 19, 5, 29), 7),
        Child("b", False),
    ]


PARTS = st.sampled_from(
    [
        "<a href='",
        "<a>",
        "x",
        "../",
        "'>",
        "</a>",
        "<![",
        "]]>",
        "<!--",
        "-->",
        "&#x;",
        "Index of",
        "<h1>",
        "<script>",
        "%2e",
        "<",
        ">",
        "\0",
        "[",
        "//",
        "2026-02-31 00:00",
        "\u0661",
    ]
)


@given(st.one_of(st.binary(max_size=300), st.lists(PARTS, max_size=40).map("".join)))
def test_nothing_else_than_lists_and_errors(content: bytes | str) -> None:
    try:
        found = page(content)
    except InfrastructureError:
        return
    for child in found:
        assert child.name not in ("", ".", "..")
        assert "/" not in child.name


@given(
    st.recursive(
        st.none() | st.floats() | st.integers() | st.text(),
        lambda deep: (
            st.lists(deep)
            | st.dictionaries(st.sampled_from(["data", "name", "mtime", "size"]), deep)
        ),
    )
)
def test_no_table_is_more_than_an_error(content: object) -> None:
    document = Document(URL, json.dumps({"data": [content]}).encode())
    try:
        found = list(folders.of_table(document))
    except InfrastructureError:
        return
    assert all("/" not in child.name for child in found)
