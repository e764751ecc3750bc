"""Who proposes: the embedded model (`local`), any OpenAI-compatible server (`chat`), `fake` and `replay`."""
