#!/usr/bin/env bash
# Installs what building for aarch64 and running it under QEMU needs, on Debian 12 or newer:
#
#     targets/aarch64-unknown-linux-gnu/packages.sh      # as root; the only step here that needs a network
#
# A Rust compiler and its aarch64 standard library of one version (the package rustc-web is /usr/bin/rustc; it moves with security uploads), the cross
# compiler and its C library, and a QEMU of version 8 or newer: 7.2, Debian 12's, crashes when it loads libonnxruntime.so. Where the suite has no
# newer one, one static file of the next suite goes to /usr/local/bin and nothing else of that suite is installed.
set -euo pipefail
qemu_least=8

dpkg --add-architecture arm64
apt-get update -qq
apt-get install -y -qq --no-install-recommends rustc-web libstd-rust-web-dev:arm64 gcc-aarch64-linux-gnu g++-aarch64-linux-gnu \
    libc6-dev-arm64-cross libstdc++6:arm64 cmake

major() { sed -nE '1s/^([0-9]+:|.*version )?([0-9]+)\..*/\2/p'; }
installed="$(qemu-aarch64 --version 2>/dev/null | major || true)"
offered="$(apt-cache policy qemu-user | sed -n 's/^ *Candidate: //p' | major)"
if [ "${installed:-0}" -ge "$qemu_least" ]; then
    :
elif [ "${offered:-0}" -ge "$qemu_least" ]; then
    apt-get install -y -qq --no-install-recommends qemu-user
else
    folder="$(mktemp -d)"
    trap 'rm -rf "$folder"' EXIT
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
    # The mirror that this system uses, with Debian 13's suite.
    mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | grep -m 1 '/debian/\?$')"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$folder/sources.list"
    newer=(-o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$folder/lists"
        -o "Dir::Cache=$folder/cache" -o APT::Sandbox::User=root)
    apt-get "${newer[@]}" update -qq
    (cd "$folder" && apt-get "${newer[@]}" download -qq "qemu-user:$(dpkg --print-architecture)")
    dpkg -x "$folder"/qemu-user_*.deb "$folder/root"
    install -m 755 "$folder/root/usr/bin/qemu-aarch64" /usr/local/bin/qemu-aarch64
fi
/usr/bin/rustc --version
aarch64-linux-gnu-gcc --version | head -n 1
qemu-aarch64 --version | head -n 1
