"""The operators' console: every decision goes through `service.operator.desk`, as over XRPC."""
