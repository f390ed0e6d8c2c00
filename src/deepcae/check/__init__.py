"""What is wrong with a text, in every state it is written for."""
