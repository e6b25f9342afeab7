"""The event log: the part of the domain that talks to PostgreSQL, through the library's doors."""
