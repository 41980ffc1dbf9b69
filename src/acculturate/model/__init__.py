"""Who answers: the only room that runs a language model."""
