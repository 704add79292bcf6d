"""Tryton ERP: products, counts and goods movements in; stock moves back."""
