"""What a server said, kept as it was said: raw bodies, the split rows, and one manifest a load.

Rooms: ``archive`` writes bodies before anybody parses them; ``manifest`` is the durable record of
one load, from which loads, history and marts can be rebuilt without the server.
"""
