# SPDX-License-Identifier: Apache-2.0
"""CertificateSigningRequests: approved, signed and cleaned away.

    request -> approving (kubelets' own) or a user -> signing (the signers kubernetes.io/...)
            -> status.certificate -> cleaner

`requests` says what the signers take and `authority` signs, both without I/O. Requests for other
signers are left to those.
"""
