# SPDX-License-Identifier: GPL-2.0-or-later
"""`python -m builder`: the same as `fai-forge`."""

import sys

from builder.cli import main

sys.exit(main())
