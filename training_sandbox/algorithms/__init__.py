"""Learning algorithms other than training a partner's graph: one interface, one ledger, one certificate."""
