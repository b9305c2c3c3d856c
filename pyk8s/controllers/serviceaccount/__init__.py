# SPDX-License-Identifier: Apache-2.0
"""ServiceAccounts and what belongs to them.

accounts         the ServiceAccount `default` of every namespace
root_ca          the cluster's CA in every namespace
tokens           the tokens in Secrets that users make for accounts
legacy_cleaner   takes away those that nobody uses
"""
