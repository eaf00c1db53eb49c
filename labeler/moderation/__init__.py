"""Pure: what people do to members beside the rules, and the record of all of it that nobody can edit unseen."""
