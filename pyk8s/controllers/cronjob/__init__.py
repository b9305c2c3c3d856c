# SPDX-License-Identifier: Apache-2.0
"""Makes a Job whenever the schedule of a CronJob says so.

    CronJob, its Jobs, the clock -> what ended, what went missing -> status
                                 -> too old Jobs deleted
                                 -> due: one Job, named after its minute -> status
                                 -> comes again at the next moment

When that is, is decided by pure functions (`schedule`), as is what a Job looks like and which of
them is too old (`jobs`); `controller` has the clock and writes. A Job's name follows from the
minute it was scheduled for, so whoever dies before the status is written makes no second one.
"""
