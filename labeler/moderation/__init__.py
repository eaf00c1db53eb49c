"""What people do about members, as a fold over the input log: cases, and everything anybody said; and the audit chain
over all of it, which nobody can edit unseen. Pure, like the judgement it looks at: no clock, no file, no socket."""
