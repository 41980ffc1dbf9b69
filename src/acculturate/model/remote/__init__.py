"""Models behind an OpenAI-compatible endpoint: `openai:BASE_URL#NAME`.

A form becomes a request (`prompting.py`), a request an answer (`transport.py`, and `cache.py` where it was
asked before), an answer log-probabilities or texts (`replies.py`), and these an option's probability
(`readings.py`). What an endpoint can do is found out once (`abilities.py`).
"""
