# SPDX-License-Identifier: Apache-2.0
"""Who is asking, and may they: authenticators and authorizers.

An authenticator gets what the connection and the headers show and answers with a `UserInfo`, or
None where it has nothing to say, or raises Unauthorized where credentials were offered and are
wrong. An authorizer gets `Attributes` and answers with a Decision. Neither knows ASGI.
"""
