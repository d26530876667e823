"""The four shapes in which the dialects cut a stream into phrases, one reader base each.

Lines with a status code are `coded_lines`, lines with a tag `tagged_lines` (what both share is `line_reader`), XML
stanzas `stanzas`, and records with a length `binary_records`. No protocol's word is known here: a dialect's reader is a
subclass that gives its words and the order of its states as tables.
"""
