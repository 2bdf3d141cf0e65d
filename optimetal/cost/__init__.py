"""What a project will cost, before it starts: trainings, hours, disk."""
