"""Texts that are classified or scored."""
