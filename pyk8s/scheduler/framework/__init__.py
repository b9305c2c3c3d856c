# SPDX-License-Identifier: Apache-2.0
"""What plugins are written against: the extension points, statuses, and the table of nodes.

    pod -> PreFilter -> Filter: codes over rows -> Score: vectors over rows -> row -> Reserve,
           Permit -> PreBind -> Bind -> PostBind

A vector plugin judges many nodes in one call. `filter` answers one code per row, 0 where the pod
fits; `rejection` turns a code into the Status users read; `score` answers one number per row.
`rows` is a slice or an index array and indexes every array of the NodeTable: a plugin must answer
for exactly these rows. Answers are kept per pod signature, and only rows the table's journal names
are asked about again. A plugin whose answer for one row follows from other rows has `count` and
`score_feasible` instead, answers for all rows, and is asked again whenever anything changed.

A plugin of another package may say `filter(pod, node)` and `score(pod, node)` instead: `fitting`
asks it node by node, and keeps what it raises from ending the scheduler.
"""
