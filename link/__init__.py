"""What both ends need of MQTT and SQLite, once: the homes of those two libraries, and the points where tests cut."""
