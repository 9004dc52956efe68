"""Costs after the fact: history priced anew, and a month held against a provider's invoice."""
