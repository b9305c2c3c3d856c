# SPDX-License-Identifier: Apache-2.0
"""hack/churn: whether controllers bring a world to rest that never was, and leave nothing behind.

load       random creates, scales, rollouts, pauses, undos and deletions, by many actors at once
settled    what every workload must be once nobody changes it any more
leftovers  what is there after everything was deleted: by the API, and by the keys in etcd
"""
