"""Populations of senders, run through the real judge: how often the honest are stopped, how soon the others. PURE, but
for the random generator each run is given.

Nothing else in the labeler imports numpy. Read in walking order: mixes, mail, behaviours, goals, populations,
reporting, ledger, passage, counterfactual, events_path, anonymous, counts_path, runs, interval, tally.
"""
