"""Poisoning: what few people, or one document, suddenly make up of a day.

`groups` finds near-duplicate prompts, `counting` what stood out on a day: the feedback of one hour and one sort that
came from five people at most, prompts of five users at most that are nearly the same, and the documents that were given
to the model. `days` keeps that beside the profiles as streams of categories, which the indicator `poisoning` judges.
"""
