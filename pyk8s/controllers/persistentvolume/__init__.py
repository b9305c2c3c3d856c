# SPDX-License-Identifier: Apache-2.0
"""PersistentVolumes and their claims: who gets which, and what becomes of a volume afterwards.

    claim, class, volumes -> decisions -> binder: volume, its phase, claim, its phase

`decisions` says what is to happen to one claim or one volume, purely; `controller` reads and
writes; `protection` keeps what is in use from being removed, `ephemeral` makes the claims that pods
bring along, `expand` says who grows a volume. Rules that the scheduler shares stand in
componenthelpers.volumes. No volume is made or wiped here: that is a provisioner's work, outside.
"""
