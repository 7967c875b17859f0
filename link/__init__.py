"""What both ends need of MQTT and SQLite, once: the homes of paho and of the engine's settings."""
