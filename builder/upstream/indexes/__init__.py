# SPDX-License-Identifier: GPL-2.0-or-later
"""Where upstreams say which versions there are: one small module for each kind of index.

Each has `candidates(index, series, asking)`, which gives the versions of one image, in no order,
and leaves out what is no finished version unless `asking.beta`. What can tell releases as well has
`releases(index, upstream, asking)`, which gives their numbers, in no order. Both raise
InfrastructureError for what cannot be reached or is nonsense.
"""
