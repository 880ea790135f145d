"""The kernel: errors, people, states, decisions and thresholds. Imports none of the other parts."""
