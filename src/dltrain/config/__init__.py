"""From the command line to checked values, without torch: options, quoting, composition, validation, redaction."""
