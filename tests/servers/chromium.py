"""Debian's Chromium, which shows pages without a screen."""

from __future__ import annotations

import shutil

from servers import debian

PACKAGES = ("chromium", "fonts-dejavu-core")

_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir></fontconfig>
"""


def program() -> tuple[str, dict[str, str] | None]:
    """Return the program, and the environment that it needs where it is only unpacked."""
    installed = shutil.which("chromium")
    if installed:
        return installed, None
    unpacked = debian.unpack("chromium", PACKAGES)
    # It ends at once where it finds no font at all.
    fonts = unpacked.root / "fonts.conf"
    fonts.write_text(_FONTS.format(fonts=unpacked.find("usr/share/fonts/truetype/dejavu")))
    environment = {**unpacked.environment, "FONTCONFIG_FILE": str(fonts)}
    return str(unpacked.find("usr/lib/chromium/chromium")), environment
