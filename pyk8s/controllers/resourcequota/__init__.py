# SPDX-License-Identifier: Apache-2.0
"""Says in each ResourceQuota's status what is used of it.

Admission charges what is created; here it is counted anew: when a quota's spec changes, when
something goes or gives something back, and now and then in any case.
"""
