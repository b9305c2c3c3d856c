# SPDX-License-Identifier: Apache-2.0
"""What a control plane must survive: faults under load, and a checker of everything it said.

    machines    etcd members and API servers as processes, to be killed and started again
    wire        an HTTP connection that tries nothing twice, so that every answer is known
    clients     writers, readers and watchers that note all they did and saw
    oracle      what really happened, from etcd itself, by its JSON gateway
    history     the two compared: nothing lost, invented, torn, repeated, reordered or stale
    scenarios   one kind of trouble each

The clients know the API alone, and the oracle knows etcd alone; no code of the program under
test takes part in the verdict. `hack/faults` runs all of it, the tests run it in short.
"""
