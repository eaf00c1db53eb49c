"""What a mail relay embeds: telemetry out, labels in, a verdict at RCPT time. Never raises into the mail path."""
