"""Bad models and the gates, the comparison with the champion."""
