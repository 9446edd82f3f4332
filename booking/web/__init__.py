"""The web skin: parse, one call, answer. `app` puts it together; folders are by audience."""
