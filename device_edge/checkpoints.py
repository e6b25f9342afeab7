"""How far a stream's one reader has come; kept beside what it stores, moved in one transaction."""

from typing import Any, LiteralString, NamedTuple

READ: LiteralString = "SELECT stream, sequence FROM edge.checkpoint WHERE reader = %s"
BEGIN: LiteralString = (
    "INSERT INTO edge.checkpoint AS known (reader, stream, sequence)"
    " VALUES (%(reader)s, %(stream)s, 0)"
    " ON CONFLICT (reader) DO UPDATE SET stream = excluded.stream, sequence ="
    " CASE WHEN known.stream = excluded.stream THEN least(known.sequence, %(last)s) ELSE 0 END"
)
MOVE: LiteralString = (
    "UPDATE edge.checkpoint SET sequence = %(sequence)s"
    " WHERE reader = %(reader)s AND stream = %(stream)s AND sequence = %(before)s"
)


class Superseded(Exception):
    """Another reader has stored what this one was about to store."""


class Checkpoint(NamedTuple):
    """Everything of the stream up to the sequence number is stored."""

    reader: str
    stream: str
    sequence: int

    def moved_to(self, sequence: int) -> "Checkpoint":
        return self._replace(sequence=sequence)

    def move_parameters(self, sequence: int) -> dict[str, Any]:
        """For MOVE. It changes one row, or none where another reader was faster: Superseded."""
        return {
            "reader": self.reader,
            "stream": self.stream,
            "before": self.sequence,
            "sequence": sequence,
        }
