"""`platform-assets secrets`: where credentials come from, who gets them, and whether one lies where it must not."""
