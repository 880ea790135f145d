"""The shell: settings, database, jobs, HTTP API, console, command line and the access log."""
