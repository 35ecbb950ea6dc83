# SPDX-License-Identifier: GPL-2.0-or-later
"""What every image promises once it is booted; `fai-forge boot` runs these inside of the guest."""
