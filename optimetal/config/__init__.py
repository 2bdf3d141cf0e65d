"""What may be configured: every setting is declared once, here."""
