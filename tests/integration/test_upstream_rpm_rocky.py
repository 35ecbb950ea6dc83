# SPDX-License-Identifier: GPL-2.0-or-later
"""Rocky Linux: a folder for each point release, and a list of digests for each image.

One list is derived from a published digest; the others have the same shape. A test's key stands in
for that of its makers.
"""

from __future__ import annotations

import hashlib

import pytest

from builder.downloads.client import Absent
from builder.errors import InfrastructureError
from builder.upstream import finding
from tests.integration.apiserver import Reply
from tests.integration.remoteworld import Seal
from tests.integration.upstreams import Upstreams, is_signed_by, lines, recorded, told

ARCHES = {"": "x86_64", "-arm64": "aarch64"}
ALMA = "https://repo.almalinux.org/almalinux"
ROCKY = "https://dl.rockylinux.org/pub/rocky"


def rocky(servers: Upstreams, seal: Seal, folder: str, arch: str, *versions: str) -> None:
    """Images of a point release: a list of each, signed, and names that are replaced in place."""
    release = folder.partition(".")[0]
    where, names = f"{ROCKY}/{folder}/images/{arch}/", []
    for version in versions:
        for variant in ("Base", "LVM"):
            file = f"Rocky-{release}-GenericCloud-{variant}-{version}.{arch}.qcow2"
            digest = hashlib.sha256(file.encode()).hexdigest()
            text = f"# {file}: 645988352 bytes\nSHA256 ({file}) = {digest}\n"
            servers.signed(f"{where}{file}.CHECKSUM", text, seal)
            names += [file, f"{file}.CHECKSUM", f"{file}.CHECKSUM.asc"]
    latest = f"Rocky-{release}-GenericCloud-Base.latest.{arch}.qcow2"
    servers.page(where, "CHECKSUM", *names, latest, f"{latest}.CHECKSUM")


ROOT = ("8/", "8.4/", "8.10/", "9/", "9.8/", "9.10/", "10/", "10.2/", "9.11-BETA/", "RPM-GPG-KEY-9")


def test_rocky(servers: Upstreams, seals: tuple[Seal, Seal]) -> None:
    servers.use("rocky", seals[0])
    servers.page(f"{ROCKY}/", *ROOT)
    file = "Rocky-10-GenericCloud-Base-10.2-20260525.0.x86_64.qcow2"
    listed = recorded(f"derived/{file}.CHECKSUM")
    for arch in ARCHES.values():
        rocky(servers, seals[0], "10.2", arch, "10.2-20260525.0")
        rocky(servers, seals[0], "10", arch, "10.1-20251116.0")
        rocky(servers, seals[0], "9.8", arch, "9.8-20260801.0")
        rocky(servers, seals[0], "9.10", arch, "9.10-20260525.9", "9.10-20260525.10")
        rocky(servers, seals[0], "8.10", arch, "8.10-20240528.0")
        rocky(servers, seals[0], "8.4", arch, "8.4-20270101.0")
    servers.signed(f"{ROCKY}/10.2/images/x86_64/{file}.CHECKSUM", listed, seals[0])
    assert set(servers.series("rocky")) == {
        f"rocky-{release}{arch}" for release in ("8", "9", "10") for arch in ARCHES
    }
    found = servers.newest("rocky", "rocky-10")
    digest = lines(listed)[file]
    where = f"{ROCKY}/10.2/images/x86_64"
    assert told(found) == (f"{where}/{file}", f"sha256:{digest}", "20260525")
    assert is_signed_by(found, seals[0])
    for arch, theirs in ARCHES.items():
        for release, version, serial in (
            ("9", "9.10-20260525.10", "20260525.10"),
            ("8", "8.10-20240528.0", "20240528"),
        ):
            url, _, known = told(servers.newest("rocky", f"rocky-{release}{arch}"))
            assert url.endswith(f"/Rocky-{release}-GenericCloud-Base-{version}.{theirs}.qcow2")
            assert known == serial
    # The digest of another file, and none of this one.
    other = listed.replace(b"-Base-", b"-LVM-")
    servers.signed(f"{where}/{file}.CHECKSUM", other, seals[0])
    with pytest.raises(InfrastructureError, match="has no line for Rocky-10-GenericCloud-Base"):
        servers.newest("rocky", "rocky-10")
    # A digest that is too short.
    servers.signed(f"{where}/{file}.CHECKSUM", listed.replace(b"9fc9", b""), seals[0])
    with pytest.raises(InfrastructureError, match="is no list of digests"):
        servers.newest("rocky", "rocky-10")


def test_a_folder_that_is_there_before_its_images(
    servers: Upstreams, seals: tuple[Seal, Seal]
) -> None:
    servers.use("rocky", seals[0])
    servers.page(f"{ROCKY}/", *ROOT)
    rocky(servers, seals[0], "9.8", "x86_64", "9.8-20260525.0")
    # 9.10 has no images/ yet; then one without an image.
    assert servers.newest("rocky", "rocky-9").offer.version == "9.8-20260525.0"
    servers.page(f"{ROCKY}/9.10/images/x86_64/", "README")
    assert servers.newest("rocky", "rocky-9").offer.version == "9.8-20260525.0"
    with pytest.raises(Absent, match=r"rocky/8\.10/images/x86_64/ is not there: it has vanished"):
        servers.newest("rocky", "rocky-8")
    servers.page(f"{ROCKY}/", "9/", "README")
    with pytest.raises(InfrastructureError, match=r"/pub/rocky/ has no folder of rocky-9"):
        servers.newest("rocky", "rocky-9")
    servers.put(f"{ROCKY}/", Reply(status=404))
    with pytest.raises(Absent, match=r"/pub/rocky/ is not there: it has vanished"):
        servers.newest("rocky", "rocky-9")


def test_what_is_not_finished_counts_only_where_it_is_asked_for(
    servers: Upstreams, seals: tuple[Seal, Seal]
) -> None:
    # A site's own patterns may take more than ours.
    number = r"(?P<version>{release}\.[0-9]+(?:-BETA)?)"
    file = rf"Rocky-{{release}}-GenericCloud-Base-{number}-(?P<date>[0-9]+)\.0\.{{arch}}\.qcow2"
    index = {"kind": "listing", "url": f"{ROCKY}/", "folder": number, "below": "images/{arch}/"}
    servers.use("rocky", seals[0], index=index, file=file)
    servers.page(f"{ROCKY}/", *ROOT)
    rocky(servers, seals[0], "9.11-BETA", "x86_64", "9.11-BETA-20260701.0")
    rocky(servers, seals[0], "9.10", "x86_64", "9.10-20260525.0", "9.10-BETA-20260801.0")
    assert servers.newest("rocky", "rocky-9").offer.version == "9.10-20260525"
    beta = servers.newest("rocky", "rocky-9", beta=True)
    assert beta.offer.version == "9.11-BETA-20260701"
    servers.use("almalinux", seals[0], file=file.replace("Rocky", "Alma"))
    text = "".join(
        f"{'0' * 64}  Alma-9-GenericCloud-Base-{each}.x86_64.qcow2\n"
        for each in ("9.8-20260525.0", "9.9-BETA-20260801.0")
    )
    servers.signed(f"{ALMA}/9/cloud/x86_64/images/CHECKSUM", text, seals[0])
    assert servers.newest("almalinux", "alma-9").offer.version == "9.8-20260525"
    assert servers.newest("almalinux", "alma-9", beta=True).offer.version.startswith("9.9-BETA")


def test_the_folders_are_asked_for_once_in_a_run(
    servers: Upstreams, seals: tuple[Seal, Seal]
) -> None:
    servers.use("rocky", seals[0])
    servers.page(f"{ROCKY}/", *ROOT)
    for arch in ARCHES.values():
        rocky(servers, seals[0], "10.2", arch, "10.2-20260525.0")
    asking, series = servers.asking(), servers.series("rocky")
    for name in ("rocky-10", "rocky-10-arm64"):
        assert is_signed_by(finding.newest(series[name], asking), seals[0])
    paths = [each.path for each in servers.server.log]
    assert paths.count("/dl.rockylinux.org/pub/rocky/") == 1
    assert len(paths) == len(set(paths))
    finding.newest(series["rocky-10"], servers.asking())
    assert len(servers.server.asked("/pub/rocky/")) > len(paths), "the next run asks again"
