"""The web console: every page drawn by the server, nothing inline, no script needed."""
