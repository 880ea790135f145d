"""The tamper-evident access log: an RFC 6962 tree over committed entries, published as C2SP tiles and checkpoints."""
