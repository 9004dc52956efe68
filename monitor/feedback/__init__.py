"""What users say and do: sentiment of comments, themes of complaints, implicit signals, and adoption.

Each is a job's work over what is new since it last looked (`monitor.tasks`); pages read only what is stored here.
"""
