"""Other drift monitors in the same simulator and on the same tables; each in the environment of `requirements.txt`."""
