"""Hooks for particular mail servers, one a file; each needs its server installed, nothing else does."""
