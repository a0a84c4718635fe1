################################################################################
#
# perennial
#
################################################################################

PERENNIAL_VERSION = 0.1.0
PERENNIAL_SOURCE = perennial-$(PERENNIAL_VERSION).tar.gz
# The sources with their Cargo.lock, beside this file; Buildroot vendors the crates when it downloads.
PERENNIAL_SITE = $(PERENNIAL_PKGDIR)
PERENNIAL_SITE_METHOD = file
PERENNIAL_LICENSE = MIT or Apache-2.0
PERENNIAL_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE
PERENNIAL_INSTALL_STAGING = YES

# targets/install.sh says --locked; with an offline cargo that is --frozen.
define PERENNIAL_BUILD_CMDS
	cd $(@D) && \
	$(TARGET_MAKE_ENV) $(TARGET_CONFIGURE_OPTS) $(PKG_CARGO_ENV) \
		CC_$(subst -,_,$(RUSTC_TARGET_NAME))="$(TARGET_CC)" \
		AR_$(subst -,_,$(RUSTC_TARGET_NAME))="$(TARGET_AR)" \
		CARGO_NET_OFFLINE=true CARGO_TARGET_DIR=$(@D)/target STRIP=0 \
		targets/install.sh $(@D)/installed $(RUSTC_TARGET_NAME)
endef

define PERENNIAL_INSTALL_STAGING_CMDS
	mkdir -p $(STAGING_DIR)/usr
	cp -a $(@D)/installed/. $(STAGING_DIR)/usr/
endef

define PERENNIAL_INSTALL_TARGET_CMDS
	mkdir -p $(TARGET_DIR)/usr/lib
	cp -a $(@D)/installed/lib/libperennial.so* $(TARGET_DIR)/usr/lib/
endef

$(eval $(cargo-package))
