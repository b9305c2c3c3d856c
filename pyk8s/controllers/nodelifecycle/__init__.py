# SPDX-License-Identifier: Apache-2.0
"""Notices nodes that fall silent, says so on them and their Pods, and keeps new Pods away.

    Lease, status -> Healths: deadlines in a heap -> silent -> conditions Unknown, pods not ready
    conditions    -> taints NoSchedule at once, NoExecute as fast as the zone's state allows

`health` and `zones` are bookkeeping by difference, `taints` says what a node should look like;
`controller` writes it. Evicting what does not tolerate a taint is `tainteviction`'s.
"""
