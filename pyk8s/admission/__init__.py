# SPDX-License-Identifier: Apache-2.0
"""May this be written: the admission chain between decoding and storage.

Plugins see the object in the version the client used, the user, and the operation. Mutating
ones run first and may change the object; validating ones run after the Strategy validated it
and may only refuse. A plugin reads other objects through the registry it is given, never etcd.

    plugins     all of them, in the order they are asked, and which are on
    interface   what a plugin sees, and the chain
    objects     what plugins know of other objects: the watch cache, decoded once

Of those that are on by default upstream some are not built: `plugins` names all that are.
"""
