# SPDX-License-Identifier: Apache-2.0
"""May this be written: the admission chain between decoding and storage.

Plugins see the object in the version the client used, the user, and the operation. Mutating
ones run first and may change the object; validating ones run after the Strategy validated it
and may only refuse. A plugin reads other objects through the registry it is given, never etcd.
"""
