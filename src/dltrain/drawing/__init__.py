"""What plots and pages are made of: styles, sections, tables, numbers in words."""
