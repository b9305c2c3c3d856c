# SPDX-License-Identifier: Apache-2.0
"""Keeps the status of PodDisruptionBudgets: how many pods an eviction may take just now.

    pods of the budget -> controllers of the pods -> expected, desired, healthy -> status

`budgets` is the arithmetic, `scales` asks the pods' controllers how many they mean to have,
`controller` decides and writes. What the numbers are used for is the server's eviction.
"""
