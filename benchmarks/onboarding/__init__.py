"""From a team's folder of files to the verdict of the gates."""
