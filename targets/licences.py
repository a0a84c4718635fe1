"""Writes THIRD_PARTY_LICENCES.txt and perennial.cdx.json to a folder; licences.sh calls it.

What counts is what is linked: normal dependencies of the library with these features, on these targets, without procedural macros.
"""
import json
import os
import re
import subprocess
import sys
import tomllib
import uuid
from collections import defaultdict
from datetime import datetime, timezone
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from license_expression import get_spdx_licensing
from packageurl import PackageURL

features = "tract,onnxruntime,ffi"
targets = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]
# Permissive: nothing that asks for the source of what links it.
accepted = set(
    "MIT Apache-2.0 BSD-2-Clause BSD-3-Clause ISC Zlib BSL-1.0 CC0-1.0 Unlicense Unicode-3.0 0BSD BlueOak-1.0.0".split()
)
spdx_licensing = get_spdx_licensing()
chosen = ["--locked", "--offline", "--no-default-features", "--features", features]


def cargo(*words):
    return subprocess.run(["cargo", *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def linked():
    """Packages as `cargo metadata` has them, and who depends on whom."""
    words = ["tree", *chosen, "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]
    lines = cargo(*words, *(w for t in targets for w in ("--target", t))).splitlines()
    names = {tuple(line.split()[:2]) for line in lines}
    metadata = json.loads(cargo("metadata", *chosen, "--format-version", "1"))
    packages = {p["id"]: p for p in metadata["packages"] if (p["name"], "v" + p["version"]) in names}
    edges = {
        node["id"]: [d["pkg"] for d in node["deps"] if d["pkg"] in packages and any(k["kind"] is None for k in d["dep_kinds"])]
        for node in metadata["resolve"]["nodes"]
        if node["id"] in packages
    }
    return metadata["resolve"]["root"], packages, edges


def expression(package):
    """The SPDX expression; `/` is how it was written once."""
    spdx = re.sub(r"\s*/\s*", " OR ", package["license"] or "")
    parsed = spdx_licensing.parse(spdx, validate=True)

    def holds(e):
        if hasattr(e, "args") and e.args and e.operator.strip() in ("OR", "AND"):
            return (any if e.operator.strip() == "OR" else all)(holds(a) for a in e.args)
        return str(e) in accepted

    return spdx, parsed is not None and holds(parsed)


def texts(package):
    folder = Path(package["manifest_path"]).parent
    named = re.compile(r"(licen[cs]e|copying|unlicense|notice)", re.I)
    files = sorted(f for f in folder.iterdir() if f.is_file() and named.match(f.name) and f.suffix != ".rs")
    return ["\n".join(f.read_text(errors="replace").split("\n")).strip() for f in files]


def borrowed(package, spdx, by_repository):
    """The text of a crate that ships none: its siblings', or else that of the licence with its authors."""
    if found := by_repository.get(package["repository"]):
        return found
    if "Apache-2.0" in spdx:
        return [Path("LICENSE-APACHE").read_text().strip()]
    assert "MIT" in spdx, f"{package['name']} has no text and no licence whose text is known: {spdx}"
    who = ", ".join(package["authors"]) or f"the authors of {package['name']}"
    return [re.sub(r"^Copyright.*$", f"Copyright (c) {who}", Path("LICENSE-MIT").read_text(), flags=re.M).strip()]


def main(folder):
    root, packages, edges = linked()
    third = sorted((p for i, p in packages.items() if i != root), key=lambda p: (p["name"], p["version"]))
    refused = [f"{p['name']} {p['version']}: {p['license']}" for p in third if not expression(p)[1]]
    if refused:
        sys.exit("licences that are not accepted:\n" + "\n".join(refused))

    by_repository = defaultdict(list)
    for p in third:
        if p["repository"] and not by_repository[p["repository"]]:
            by_repository[p["repository"]] = texts(p)
    users = defaultdict(list)
    for p in third:
        for text in texts(p) or borrowed(p, expression(p)[0], by_repository):
            users[text].append(f"{p['name']} {p['version']}")
    line = "-" * 78
    parts = [f"Third-party software in libperennial ({features}; {', '.join(targets)})\n"]
    parts += [f"{p['name']} {p['version']}  {expression(p)[0]}  {p['repository'] or ''}".rstrip() for p in third]
    for text, names in sorted(users.items(), key=lambda item: item[1]):
        parts += ["", line, *names, line, "", text]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "THIRD_PARTY_LICENCES.txt").write_text("\n".join(parts) + "\n")

    with open("Cargo.lock", "rb") as file:
        sums = {(p["name"], p["version"]): p.get("checksum") for p in tomllib.load(file)["package"]}
    when = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), timezone.utc)
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, " ".join(sorted(f"{p['name']}@{p['version']}" for p in packages.values()))))
    bom.metadata.timestamp = when
    components = {}
    for i, p in packages.items():
        purl = PackageURL("cargo", name=p["name"], version=p["version"])
        checksum = sums[p["name"], p["version"]]
        components[i] = Component(
            name=p["name"],
            version=p["version"],
            type=ComponentType.LIBRARY,
            description=p["description"],
            purl=purl,
            bom_ref=str(purl),
            licenses=[LicenseExpression(expression(p)[0])],
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=checksum)] if checksum else [],
        )
    bom.metadata.component = components[root]
    for i, component in components.items():
        if i != root:
            bom.components.add(component)
        bom.register_dependency(component, [components[d] for d in edges[i]])
    (folder / "perennial.cdx.json").write_text(JsonV1Dot6(bom).output_as_string(indent=1))
    print(f"{len(third)} crates, {len(users)} texts, all permissive")


main(Path(sys.argv[1]))
