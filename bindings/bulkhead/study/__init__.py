"""One finished run in other forms: explanations in words, and files for other tools. Nothing here changes a run."""
