"""What an answer is worth: profiles, intervals, the guard."""
