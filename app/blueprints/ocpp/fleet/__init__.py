"""The simulators that the worker runs: a job a process, a member a simulator, a ledger in the database."""
