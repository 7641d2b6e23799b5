"""Measured claims: `serein score NAME`. Each module makes one scoreboard and judges it by its criteria."""
