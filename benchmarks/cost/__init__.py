"""What measuring costs costs, whether it adds up, and how near its forecasts come."""
