"""The building blocks of plots and pages: plots and their style, sections, tables, numbers in words."""
