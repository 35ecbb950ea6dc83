# SPDX-License-Identifier: GPL-2.0-or-later
"""How upstreams' servers behave: redirects, refusals, no end; and what counts as the newest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
import requests
import yaml

from builder import names
from builder.downloads.client import AGENT
from builder.errors import InfrastructureError
from tests.integration.apiserver import Answer, Api, Reply, running, serve
from tests.upstreamworld_lab import Lab
from tests.upstreamworld_lists import ALMA, CENTOS, ROCKY
from tests.upstreamworld_sources import ROOT, WRITERS, new_version

PAGE = ROOT / "docs/upstreams.md"
ALMA_FOLDER = f"{ALMA}/10/cloud/x86_64/images"
CENTOS_FOLDER = f"{CENTOS}/10-stream/x86_64/images"
CENTOS_PATH = f"{CENTOS_FOLDER.removeprefix('https:/')}/CHECKSUM"
ALMA_PATH = f"{ALMA_FOLDER.removeprefix('https:/')}/CHECKSUM"


@pytest.fixture
def api() -> Iterator[Api]:
    with running() as server:
        yield server


def handed_on(path: str, api: Api, answer: Answer | Reply) -> str:
    """The rule of nginx by which another server answers a path."""
    api.routes[path] = answer
    return f"        location = {path} {{ proxy_pass {api.url}; proxy_buffering off; }}\n"


def set_up(lab: Lab, **words: object) -> None:
    """Other words in the source's YAML file."""
    path = lab.folder / "upstreams" / f"{lab.source}.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **words}))


def elsewhere(path: str, to: str) -> str:
    """The rule that redirects a path to another name of this machine."""
    return f"        location = {path} {{ return 302 {to}; }}\n"


def test_nothing_that_is_unsigned_comes_from_another_server(lab: Callable[[str], Lab]) -> None:
    made = lab("centos")
    moved = made.world.path(f"{CENTOS_FOLDER}/CHECKSUM")
    made.world.put("https://elsewhere.example.org/CHECKSUM", moved.read_bytes())
    rule = elsewhere(CENTOS_PATH, "http://localhost:$server_port/elsewhere.example.org/CHECKSUM")
    with pytest.raises(InfrastructureError, match="answered by another server, localhost"):
        made.find("centos-10", rule)
    # Its owner says that the other one is theirs.
    set_up(made, redirects=["localhost"])
    assert made.find("centos-10", rule).candidate.url == made.world.newest["centos-10"].url


def test_what_is_signed_may_come_from_anywhere(lab: Callable[[str], Lab]) -> None:
    made = lab("almalinux")
    moved = made.world.path(f"{ALMA_FOLDER}/CHECKSUM")
    made.world.put("https://elsewhere.example.org/CHECKSUM", moved.read_bytes())
    rule = elsewhere(ALMA_PATH, "http://localhost:$server_port/elsewhere.example.org/CHECKSUM")
    assert made.find("alma-10", rule).candidate.url == made.world.newest["alma-10"].url


def test_no_redirect_leads_out_of_tls(lab: Callable[[str], Lab]) -> None:
    made = lab("almalinux")
    with pytest.raises(InfrastructureError, match="redirects to an address without https"):
        made.find("alma-10", elsewhere(ALMA_PATH, "http://mirror.example.org/CHECKSUM"))


@pytest.mark.parametrize(
    ("source", "name", "path", "largest"),
    [
        ("almalinux", "alma-10", ALMA_PATH, 16 << 20),
        ("almalinux", "alma-10", f"{ALMA_PATH}.asc", 1 << 16),
        ("centos", "centos-10", CENTOS_PATH, 16 << 20),
        ("rocky", "rocky-10", f"{ROCKY.removeprefix('https:/')}/", 4 << 20),
    ],
)
def test_a_document_without_an_end_is_given_up(
    lab: Callable[[str], Lab], api: Api, source: str, name: str, path: str, largest: int
) -> None:
    rule = handed_on(path, api, Reply(endless=True))
    with pytest.raises(InfrastructureError, match=rf"larger than it may be \({largest} bytes\)"):
        lab(source).find(name, rule)


def test_servers_are_told_a_name(lab: Callable[[str], Lab]) -> None:
    made = lab("centos")
    with made.served() as answering:
        url = f"http://127.0.0.1:{answering.port}{CENTOS_PATH}"
        assert requests.get(url, headers={"User-Agent": ""}, timeout=10).status_code == 403
        made.ask("centos-10", answering)
        assert {each.agent for each in answering.told()[1:]} == {AGENT}


def too_many(wait: str) -> Reply:
    return Reply(b"Slow down", 429, {"Retry-After": wait})


def test_a_server_that_asks_for_patience_is_asked_again(
    lab: Callable[[str], Lab], api: Api
) -> None:
    made = lab("centos")
    content = made.world.path(f"{CENTOS_FOLDER}/CHECKSUM").read_bytes()
    rule = handed_on(CENTOS_PATH, api, serve(content))
    api.hurdles = [too_many("0"), too_many("1")]
    assert made.find("centos-10", rule).candidate.url == made.world.newest["centos-10"].url
    assert len(api.log) == 3


def test_a_server_that_asks_for_an_hour_is_left_alone(lab: Callable[[str], Lab], api: Api) -> None:
    rule = handed_on(CENTOS_PATH, api, too_many("3600"))
    with pytest.raises(InfrastructureError, match="asks to wait 3600 s"):
        lab("centos").find("centos-10", rule)
    assert len(api.log) == 1


def test_a_key_of_the_keyring_that_is_not_pinned_does_not_count(lab: Callable[[str], Lab]) -> None:
    made = lab("almalinux")
    keys = made.world.keys
    theirs = keys.fingerprint("stranger")
    ring = made.folder / "upstreams" / "alma.gpg"
    ring.write_bytes(ring.read_bytes() + keys.home.export(theirs))
    url = f"{ALMA_FOLDER}/CHECKSUM"
    made.world.put(f"{url}.asc", keys.detached("stranger", made.world.path(url).read_bytes()))
    with pytest.raises(InfrastructureError, match=f"{theirs}, which is not one of those"):
        made.find("alma-10")


def test_an_expired_key_counts_only_by_name(lab: Callable[[str], Lab]) -> None:
    made = lab("almalinux")
    url, home = f"{ALMA_FOLDER}/CHECKSUM", made.world.keys.home
    then = ("--faked-system-time", "20200101T120000!")
    home.gpg(*then, "--passphrase", "", "--quick-gen-key", "old@", "ed25519", "sign", "1y")
    listed = home.gpg("--with-colons", "--list-keys", "=old@").decode().splitlines()
    old = next(line.split(":")[9] for line in listed if line.startswith("fpr:"))
    sign = ("--local-user", old, "--output", "-", "--detach-sign", made.world.path(url))
    made.world.put(f"{url}.asc", home.gpg(*then, *sign))
    (made.folder / "upstreams" / "old.gpg").write_bytes(home.export(old))
    signature = {"file": "{list}.asc", "keyring": "old.gpg", "keys": [old]}
    set_up(made, signature=signature)
    with pytest.raises(InfrastructureError, match="a key that has expired"):
        made.find("alma-10")
    set_up(made, signature={**signature, "expired": [old]})
    assert made.find("alma-10").offer.vouched == f"CHECKSUM, signed by {old}"


def test_a_folder_that_vanished_leaves_the_one_before_it(lab: Callable[[str], Lab]) -> None:
    made = lab("rocky")
    folder = made.world.path(f"{ROCKY}/10.2/images/x86_64")
    folder.rename(folder.with_name("gone"))
    assert made.find("rocky-10").offer.version == "10.1-20260525.0"


# Each has what text would take for the newest, and numbers do not.
@pytest.mark.parametrize(
    ("source", "name", "newest", "trap", "where"),
    [
        ("almalinux", "alma-8", "8.10-20260526", "8.9-20260601", "8/cloud/x86_64/images/CHECKSUM"),
        ("centos", "centos-10", "20241118.0", "-latest.", "10-stream/x86_64/images/CHECKSUM"),
        ("rocky", "rocky-8", "8.10-20260525.0", '"8.9/"', "pub/rocky/"),
        ("rocky", "rocky-9", "9.8-20260525.0", '"9.8-BETA/"', "pub/rocky/"),
        ("opensuse", "opensuse-microos", "20260207", "Cloud.qcow2", "appliances/SHA256SUMS"),
        ("opensuse-leap", "opensuse-16.0", "18.10", "-Build18.7.qcow2", "appliances/?jsontable"),
        ("ubuntu", "ubuntu-2404", "20260725.10", '"20260725.9"', "released:download.sjson"),
    ],
)
def test_numbers_are_compared_as_numbers(
    lab: Callable[[str], Lab], source: str, name: str, newest: str, trap: str, where: str
) -> None:
    made = lab(source)
    if source == "ubuntu":
        # Ten builds of one day.
        made.world.later[name] = 9
        WRITERS[source](made.world)
    with made.served() as answering:
        assert made.ask(name, answering).offer.version == newest
        (asked,) = {each.path for each in answering.told() if each.path.endswith(where)}
        url = f"http://127.0.0.1:{answering.port}{asked}"
        assert trap in requests.get(url, headers={"User-Agent": AGENT}, timeout=10).text


@pytest.mark.parametrize(
    ("source", "name"),
    [("centos", "centos-9"), ("centos", "centos-10"), ("ubuntu", "ubuntu-2404")],
)
def test_builds_of_one_day_have_serials_of_their_own(
    lab: Callable[[str], Lab], source: str, name: str
) -> None:
    made = lab(source)
    first = made.find(name).offer
    new_version(made.world, source, name)
    second = made.find(name).offer
    assert second.serial[:8] == first.serial[:8]
    assert names.serial_key(second.serial) > names.serial_key(first.serial)


def test_the_distribution_of_the_page_is_found(lab: Callable[[str], Lab]) -> None:
    made = lab("almalinux")
    text = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.M | re.S)[0]
    assert text.startswith("distro: alma")
    content = {**yaml.safe_load(text)}
    key = made.world.keys.fingerprint("alma")
    content["signature"] |= {"keyring": "alma.gpg", "keys": [key]}
    path = made.folder / "upstreams" / "almalinux.yaml"
    path.write_text(yaml.safe_dump(content))
    folder = "https://images.example.org/10/aarch64"
    names = [f"AlmaLinux-10-GenericCloud-10.{n}-20260526.aarch64.qcow2" for n in (2, 9, 10)]
    listed = made.world.put(f"{folder}/CHECKSUM", "".join(f"{'0' * 64}  {n}\n" for n in names))
    made.world.put(f"{folder}/CHECKSUM.asc", made.world.keys.detached("alma", listed))
    assert made.find("alma-10-arm64").candidate.url == f"{folder}/{names[-1]}"
