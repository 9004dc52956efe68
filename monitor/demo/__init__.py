"""The demo: real answers of two models before and after a switch of their snapshots, replayed as if live."""
