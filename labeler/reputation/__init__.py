"""The judgement: telemetry in, label changes out. PURE: no I/O, clock, randomness, globals or logging.

Read in walking order: events, definitions, inputs, intake, windows, policy, metrics, findings, decisions, evidence,
standing, judge.
"""
