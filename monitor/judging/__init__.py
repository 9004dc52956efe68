"""Judges at work: which calls are asked about (work), in which words (prompts), of which endpoint (endpoint).

Off unless an endpoint is configured. What a judge says becomes feedback named `judge.<name>`; what was asked, how that
ended and what it cost stands in the table of judgements.
"""
