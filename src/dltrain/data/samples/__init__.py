"""Made-up data: small samples that are written or drawn here, so that everything can be tried at once."""
