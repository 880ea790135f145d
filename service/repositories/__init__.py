"""The protocols of ``datasets``, kept in the database; the same contract tests run on these and in memory."""
