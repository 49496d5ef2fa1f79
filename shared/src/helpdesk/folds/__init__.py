"""What events mean: an aggregate as it stands after its history. No rule is here, so every service folds alike."""
