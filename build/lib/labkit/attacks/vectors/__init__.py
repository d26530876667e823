"""The attacks themselves, one family a file. A vector decides what becomes of a line and touches no socket."""
