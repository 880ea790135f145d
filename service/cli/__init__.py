"""The command line: a client of the HTTP API, in process on one machine or over the network."""
