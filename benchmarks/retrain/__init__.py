"""Replayed years: when is a new model asked for, how soon, and what is lost until it serves?"""
