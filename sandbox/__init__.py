"""Local servers that speak Polygon's, KIS's and Telegram's protocols on one seeded market."""
