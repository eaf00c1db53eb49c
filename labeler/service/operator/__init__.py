"""What operators do, in one place: the XRPC doors, the console and the command line call `desk` and nothing else."""
