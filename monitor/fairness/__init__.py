"""The weekly scan for unfairness: who is served worse than all others, on what, by how much, and is it their mix?

    calls of a closed week -> one value a user and signal (values) -> comparisons (scan) -> one stored document

`mentions` does the same for what prompts name; `probing` asks an endpoint the same question about different groups.
"""
