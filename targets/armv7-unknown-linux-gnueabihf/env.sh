# shellcheck shell=bash disable=SC2034
# Sourced: what targets/linux builds for this target with.
_target=armv7-unknown-linux-gnueabihf
_gnu=arm-linux-gnueabihf
_debian=armhf
_loader=/lib/ld-linux-armhf.so.3
_qemu="qemu-arm -cpu cortex-a15"
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/../linux/env.sh"
