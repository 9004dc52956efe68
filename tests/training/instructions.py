"""Harmless tasks with material to work on, made from phrases written for this project and texts of HaluEval (MIT).

Long instructions that tell a model what it is given, what to do and how to answer share many words with attacks. Each
task is put together by chance (fixed seed) from an opening, what to do, demands and a piece of text.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

_OPENINGS = (
    "You are given {a}.", "You will be given {a}.", "Here is {a}.", "Below is {a}.", "In this task you get {a}.",
    "I will give you {a}.", "I have {a}.", "Take {a}.", "This is {a}.", "Use {a} to work from.",
    "You are a helpful editor.",
    "You are a teacher of English.", "You are an experienced cook.", "You are a data analyst.",
    "Act as a travel agent.",
    "Imagine that you are a guide in a museum.", "Suppose that you run a small shop.", "Let's play a word game.",
    "I want you to act as a proofreader.", "Pretend that you are a librarian.", "", "", "",
)  # fmt: skip
_GIVEN = (
    "a paragraph", "a list of facts", "a customer's mail", "a review", "a question and its answer", "a table",
    "a headline",
    "two sentences", "the beginning of a story", "a conversation", "some notes", "a product description", "a recipe",
    "an article", "a text message", "a job advertisement", "the title of a talk", "a set of rules", "a poem", "a post",
)  # fmt: skip
_TASKS = (
    "Your task is to find all mistakes in it.", "Your job is to sort the items from best to worst.",
    "Write a short summary of it.", "Think of a first sentence that makes people curious.",
    "Show how you arrive at the result.", "Decide whether it is true.",
    "Proofread it.", "Rewrite it so that a child can understand it.",
    "Answer the question at the end.", "Continue the story in the same style.", "Extract all dates and names.",
    "Turn it into a table with three columns.", "Write a reply to the last message in the conversation.",
    "Suggest a title and three tags.", "Tell whether the writer is happy or unhappy.", "Write a polite answer to it.",
    "Create five questions that a teacher might ask about it.", "Write a rap about it.", "Make a plan for one week.",
    "Translate it into simple English.", "Come up with a slogan that people will remember.", "Count the verbs.",
    "Work out how much material is needed.", "Explain the rules to a beginner.",
    "Write an introduction for a report.", "Compare the two and say which is better.",
    "Find a word that fits in the gap.", "Describe the character who speaks.", "Write the dialogue for the next scene.",
    "Generate a list of ideas and explain each of them in one sentence.", "Design a quiz with four answers each.",
    "Act out the interview: ask me one question at a time and wait for my answer.", "Convert all amounts into euros.",
    "Give feedback as a strict but friendly teacher.", "Write a scene for a school play about it.",
    "Pick a colour that fits the mood.", "Predict what happens next.", "Write a formula for it.",
)  # fmt: skip
_DEMANDS = (
    "Do not use more than fifty words.", "Answer only with yes or no.", "Do not write explanations.", "Be creative.",
    "Please keep the tone friendly.", "You must use the past tense.", "Avoid technical words.", "Use bullet points.",
    "If nothing fits, say so.", "Start with the most important point.", "Make it funny.", "Never use slang.",
    "Your answer should be in the form of a list.", "Only reply with the corrected text.", "Stay in character.",
    "Ignore spelling.", "Write as if you were talking to a friend.", "Always give a reason.", "End with a question.",
    "Do not repeat the text.", "Include an example.", "Say where you are unsure.", "Use only the information given.",
    "Do not invent facts.", "Follow the format below.", "There is no limit on length.", "My first request is below.",
    "", "",
)  # fmt: skip
_LABELS = ("Input:", "Text:", "Facts:", "Question:", "Topic:", "Data:", "Notes:", "", "")


def made_tasks(texts: Sequence[str], generator: random.Random, n: int) -> list[str]:
    """`n` tasks, each with a piece of one of the texts."""
    made = []
    for _ in range(n):
        parts = [
            generator.choice(_OPENINGS).replace("{a}", generator.choice(_GIVEN)),
            generator.choice(_TASKS),
            *generator.sample(_DEMANDS, generator.randint(0, 3)),
        ]
        order = " ".join(part for part in parts if part)
        material = generator.choice(texts)[: generator.randint(60, 700)]
        label = generator.choice(_LABELS)
        made.append(generator.choice([f"{order}\n\n{label} {material}", f"{order} {label} {material}", order]).strip())
    return made
