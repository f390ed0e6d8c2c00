"""Which of two designs learns the images better, and what is surely better."""
