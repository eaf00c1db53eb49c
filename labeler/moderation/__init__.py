"""What people do about members, as a fold over the input log: cases, and everything anybody said. Pure, like the
judgement it looks at: no clock, no file, no socket."""
