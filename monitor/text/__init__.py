"""What can be told from a text by itself, without a model or the network: language, form, tone, risks."""
