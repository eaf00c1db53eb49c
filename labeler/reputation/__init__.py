"""The judgement: telemetry in, label changes out. PURE: no I/O, clock, randomness, globals or logging.

Read in walking order: events, catalogue, policy, windows, pool, incidents, metrics, conditions, findings, decisions,
verdicts, judge; then, for people, evidence, counterfactuals, standing, proofs, consequences.
"""
