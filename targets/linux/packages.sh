#!/usr/bin/env bash
# Installs what building for a target of this folder and running it under QEMU needs, on Debian 12 or newer:
#
#     targets/linux/packages.sh TARGET      # as root; the only step here that needs a network
#
# A Rust compiler (the package rustc-web is /usr/bin/rustc; it moves with security uploads) and the target's standard library of the same version, the
# cross compiler and its C library, and a QEMU of version 8 or newer: 7.2, Debian 12's, crashes when it loads libonnxruntime.so. Where this system
# has no such QEMU, or no such library for the target's architecture, the next suite's package is unpacked to /usr/local and nothing else of that
# suite is installed.
set -euo pipefail
[ $# -eq 1 ] && [ -f "$(dirname "$0")/../$1/env.sh" ] || { sed -n '2,9p' "$0" >&2; exit 2; }
target="$1"
value() { sed -n "s/^_$1=\"\?\([^\"]*\)\"\?$/\1/p" "$(dirname "$0")/../$target/env.sh"; }
gnu="$(value gnu)" architecture="$(value debian)" emulator="$(value qemu | cut -d ' ' -f 1)"
qemu_least=8
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
install=(apt-get install -y -qq --no-install-recommends)

apt-get update -qq
"${install[@]}" rustc-web cmake "gcc-$gnu" "g++-$gnu" "libc6-dev-$architecture-cross"

# apt with the lists of Debian 13 beside those of this system, and nothing of either changed.
next() {
    local mirror
    mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | grep -m 1 '/debian/\?$')"
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$folder/sources.list"
    apt-get -o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$folder/lists" \
        -o "Dir::Cache=$folder/cache" -o APT::Sandbox::User=root -o "APT::Architectures::=$(dpkg --print-architecture)" \
        -o "APT::Architectures::=$architecture" "$@"
}
unpack() { # a package of Debian 13, with its architecture: into $folder/root
    [ -d "$folder/lists" ] || next update -qq
    (cd "$folder" && next download -qq "$1" && dpkg -x "${1%%:*}"_*.deb root)
}

library="/usr/lib/rustlib/$target"
if [ ! -d "$library/lib" ]; then
    dpkg --add-architecture "$architecture"
    # libstdc++ is what ONNX Runtime's library asks for.
    if ! { apt-get update -qq && "${install[@]}" "libstd-rust-web-dev:$architecture" "libstdc++6:$architecture"; }; then
        echo "this suite has none; taking Debian 13's"
        dpkg --remove-architecture "$architecture"
        unpack "libstd-rust-web-dev:$architecture"
        mkdir -p /usr/local/lib/rustlib
        cp -R "$folder/root$library" /usr/local/lib/rustlib/
        ln -sfn "/usr/local/lib/rustlib/$target" "$library"
    fi
fi

major() { sed -nE '1s/^([0-9]+:|.*version )?([0-9]+)\..*/\2/p'; }
installed="$("$emulator" --version 2>/dev/null | major || true)"
offered="$(apt-cache policy qemu-user | sed -n 's/^ *Candidate: //p' | major)"
if [ "${installed:-0}" -ge "$qemu_least" ]; then
    :
elif [ "${offered:-0}" -ge "$qemu_least" ]; then
    "${install[@]}" qemu-user
else
    unpack "qemu-user:$(dpkg --print-architecture)"
    install -m 755 "$folder/root/usr/bin/$emulator" "/usr/local/bin/$emulator"
fi
# Says so where the compiler and the library are not of one version.
echo 'fn main() {}' | /usr/bin/rustc --target "$target" -C "linker=$gnu-gcc" -o "$folder/probe" -
/usr/bin/rustc --version
"$gnu-gcc" --version | head -n 1
"$emulator" --version | head -n 1
