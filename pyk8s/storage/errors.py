# SPDX-License-Identifier: Apache-2.0
"""What storage raises; `registry` turns each into a StatusError, in one place.

StorageError
  KeyNotFound            no object under the key
  KeyExists              create met an object
  PreconditionFailed     uid or resourceVersion is not what the caller demanded
  InvalidToken           a resourceVersion or continue token that cannot be read
  ResourceExpired        the revision is compacted, or fell out of the window
  TooLargeRevision       the revision lies in the future, still after waiting for it
  Unavailable            etcd is gone, has no leader, or refused before it acted
  OutOfSpace             etcd's NOSPACE alarm: reads go on, writes do not
  TooLarge               the encoded object is larger than etcd takes
  OutcomeUnknown         the deadline passed or the connection broke during a write
  Corrupt                a stored value cannot be read
"""

from __future__ import annotations


class StorageError(Exception):
    """`key` is the storage key, or empty where no single key is meant."""

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class KeyNotFound(StorageError):
    def __init__(self, key: str) -> None:
        super().__init__(f"key not found: {key}", key)


class KeyExists(StorageError):
    def __init__(self, key: str) -> None:
        super().__init__(f"key exists: {key}", key)


class PreconditionFailed(StorageError):
    pass


class InvalidToken(StorageError):
    pass


class ResourceExpired(StorageError):
    """`continue_token`, where set, lets a client go on inconsistently from where it stood."""

    def __init__(self, message: str, continue_token: str = "") -> None:
        super().__init__(message)
        self.continue_token = continue_token


class TooLargeRevision(StorageError):
    def __init__(self, wanted: int, current: int) -> None:
        super().__init__(f"Too large resource version: {wanted}, current: {current}")
        self.wanted = wanted
        self.current = current


class Unavailable(StorageError):
    pass


class OutOfSpace(StorageError):
    pass


class TooLarge(StorageError):
    pass


class OutcomeUnknown(StorageError):
    pass


class Corrupt(StorageError):
    pass
