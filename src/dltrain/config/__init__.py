"""From what is typed to checked values, without torch: options, quoting, composition, validation, redaction."""
