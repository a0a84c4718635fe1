SUMMARY = "Continual learning on the device, inside a memory budget"
DESCRIPTION = "LoRA updates of a frozen ONNX vision transformer, compiled into an inference graph: \
               libperennial, its C and C++ headers, pkg-config file and CMake package."
SECTION = "libs"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE-MIT;md5=35595febc3fe42282aed0069e2752982 \
                    file://LICENSE-APACHE;md5=1836efb2eb779966696f473ee8540542"

# The sources with their Cargo.lock, beside this recipe; crates.sh, or bitbake -c update_crates perennial, writes crates.inc.
SRC_URI = "file://perennial-${PV}.tar.gz"
require ${BPN}-crates.inc

inherit cargo cargo-update-recipe-crates

# Engines: tract, onnxruntime or both.
PERENNIAL_FEATURES ?= "tract,ffi"

# targets/install.sh says --locked; with an offline cargo that is --frozen. cargo.bbclass names the linker and the C compilers.
do_compile() {
    export RUSTFLAGS="${RUSTFLAGS}" CARGO_NET_OFFLINE=true CARGO_TARGET_DIR="${B}/target"
    STRIP=0 FEATURES="${PERENNIAL_FEATURES}" "${S}/targets/install.sh" "${B}/installed" "${RUST_HOST_SYS}"
}

do_install() {
    install -d "${D}${libdir}" "${D}${includedir}"
    cp -R --no-dereference --preserve=mode,links "${B}/installed/lib/." "${D}${libdir}/"
    cp -R --no-dereference --preserve=mode,links "${B}/installed/include/." "${D}${includedir}/"
}
